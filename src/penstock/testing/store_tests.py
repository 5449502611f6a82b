"""The conformance suite of stores: subclass ``StoreTests``, give it a store, and inherit the proof.

What a store promises is here, up to the level it says it has; it needs pytest and hypothesis::

    class TestMine(StoreTests):
        @pytest.fixture
        def store(self):
            with MyStore() as store:
                yield store
"""

from penstock.testing.store_index_tests import StoreIndexTests
from penstock.testing.store_retention_tests import StoreRetentionTests

__all__ = ["StoreTests"]


class StoreTests(StoreIndexTests, StoreRetentionTests):
    """What every store must do; a subclass brings the fixture ``store``, and ``other_process`` if it has one."""
