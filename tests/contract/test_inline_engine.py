"""The inline engine keeps what every engine promises."""

from penstock.testing.engine_tests import EngineTests


class TestInline(EngineTests):
    engine = "inline"
