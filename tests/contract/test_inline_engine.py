"""The inline engine keeps what every engine promises."""

from penstock.testing.engine_tests import EngineTests
from penstock.testing.shape_tests import ShapeTests


class TestInline(EngineTests):
    engine = "inline"


class TestInlineShapes(ShapeTests):
    engine = "inline"
