"""The directory store keeps what every store promises, however small its segments and whichever way it writes them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from penstock.streams.directory import DirectoryStore
from penstock.streams.store import Store
from penstock.testing.store_tests import StoreTests


class TestDirectoryStore(StoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with DirectoryStore(tmp_path / "store", make=True) as store:
            yield store

    def other_process(self, store: Store) -> Sequence[str] | None:
        assert isinstance(store, DirectoryStore)
        return ["penstock.streams.directory:DirectoryStore", str(store.path)]


class TestSmallSegments(TestDirectoryStore):
    """Nearly every block is in a segment of its own."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with DirectoryStore(tmp_path / "store", make=True, segment_bytes=1024) as store:
            yield store


class TestPastThePageCache(TestDirectoryStore):
    """Every block is written past the page cache."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with DirectoryStore(tmp_path / "store", make=True, direct_bytes=0) as store:
            yield store
