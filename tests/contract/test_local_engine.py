"""The local engine keeps what every engine promises."""

from penstock.testing.engine_tests import EngineTests
from penstock.testing.shape_tests import ShapeTests


class TestLocalEngine(EngineTests):
    engine = "local"


class TestLocalEngineShapes(ShapeTests):
    engine = "local"
