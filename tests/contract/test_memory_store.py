"""The memory store keeps what every store promises."""

from collections.abc import Iterator

import pytest

from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import Store
from penstock.testing.store_tests import StoreTests


class TestMemoryStore(StoreTests):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with MemoryStore() as store:
            yield store


class TestMemoryStoreWithABound(TestMemoryStore):
    """A bound that nothing reaches changes nothing."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with MemoryStore(most_bytes=1 << 30) as store:
            yield store
