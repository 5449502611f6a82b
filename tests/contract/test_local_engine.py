"""The local engine keeps what every engine promises."""

from penstock.testing.engine_tests import EngineTests


class TestLocalEngine(EngineTests):
    engine = "local"
