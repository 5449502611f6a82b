"""The remote store keeps what every store promises, over a real connection, before a memory store and a folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from penstock.services.stream_server import StreamServer
from penstock.streams.directory import DirectoryStore
from penstock.streams.memory_store import MemoryStore
from penstock.streams.remote_store import RemoteStore
from penstock.streams.store import Store
from penstock.testing.store_tests import StoreTests

PATIENCE_S = 20.0


def opened(address: str) -> RemoteStore:
    """Open the store of a server in another process."""
    return RemoteStore(address, patience_s=PATIENCE_S)


class TestRemoteStore(StoreTests):
    def other_process(self, store: Store) -> Sequence[str]:
        assert isinstance(store, RemoteStore)
        return f"{__name__}:opened", store.address

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with MemoryStore() as behind, StreamServer(behind) as server, opened(server.address) as store:
            yield store


class TestRemoteDirectoryStore(TestRemoteStore):
    """The same of a server whose store is a folder."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with (
            DirectoryStore(tmp_path / "store", make=True) as behind,
            StreamServer(behind) as server,
            opened(server.address) as store,
        ):
            yield store
