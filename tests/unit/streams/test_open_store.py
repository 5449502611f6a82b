"""Opening stores: by path, in memory, and by several at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import penstock
from penstock.errors import StreamError
from penstock.streams.directory import DirectoryStore
from penstock.streams.memory_store import MemoryStore


def test_a_store_is_a_folder_or_in_memory_or_given(tmp_path: Path) -> None:
    with penstock.open_store(tmp_path / "a") as store:
        assert isinstance(store.store, DirectoryStore)
    with penstock.open_store("memory:") as store:
        assert isinstance(store.store, MemoryStore)
        assert penstock.open_store(store.store).store is store.store
    with pytest.raises(StreamError, match='no store of the kind "s3:"'):
        penstock.open_store("s3://bucket")


def test_many_may_open_a_new_folder_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            stores = list(pool.map(penstock.open_store, [tmp_path / f"store {turn}"] * 8))
            for store in stores:
                store.close()
