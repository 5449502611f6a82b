"""What is appended while a server is away waits on disk, also through the end of its producer, and arrives once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from penstock.core import Block, Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, StateError, StoreFullError
from penstock.services.stream_server import StreamServer
from penstock.streams.memory_store import MemoryStore
from penstock.streams.remote_store import RemoteStore
from penstock.streams.spooling_writer import SpoolingWriter
from penstock.streams.store import Store
from tests.system.relay import Relay

ADDRESS = StreamAddress("c/1", "eiger", "run 1")
LONGEST_S = 20.0
SHORT_S = 0.1


def block(*ids: int) -> Block:
    return Block.of("any", [Message(id=n, metadata={"n": n}, array=np.full(n % 7, n, "<u4")) for n in ids])


def ids_of(store: Store) -> list[int]:
    with store.read(ADDRESS) as reader:
        return [n for stored in reader.blocks() for n in stored.block.ids.tolist()]


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    with MemoryStore() as store:
        yield store


@pytest.fixture
def relay(store: MemoryStore) -> Iterator[Relay]:
    with StreamServer(store) as server, Relay(server.address) as relay:
        yield relay


def spooling(relay: Relay, folder: Path, **options: int) -> RemoteStore:
    return RemoteStore(relay.address, patience_s=SHORT_S, spool=folder / "spool", **options)  # type: ignore[arg-type]


def opened(remote: RemoteStore) -> SpoolingWriter:
    writer = remote.write(ADDRESS)
    assert isinstance(writer, SpoolingWriter)
    return writer


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def test_nothing_touches_the_disk_while_the_server_is_there(relay: Relay, store: Store, tmp_path: Path) -> None:
    with spooling(relay, tmp_path) as remote, opened(remote) as writer:
        for n in range(1, 20):
            writer.append(block(n))
        assert not writer.is_spooling
        assert (writer.last_id, writer.written) == (19, 19)
    assert ids_of(store) == list(range(1, 20))
    assert files(tmp_path) == []


def test_what_waits_arrives_in_order_when_the_server_is_back(relay: Relay, store: Store, tmp_path: Path) -> None:
    with spooling(relay, tmp_path) as remote, opened(remote) as writer:
        writer.append(block(1))
        relay.hold()
        relay.cut()
        for n in range(2, 300):
            writer.append(block(n))
        assert writer.is_spooling
        with pytest.raises(ConflictError, match="has these ids already: 7"):
            writer.append(block(7))
        assert writer.present(np.array([7, 300], np.uint64)).tolist() == [True, False]
        writer.sync()
        relay.release()
        for n in range(300, 400):
            writer.append(block(n))
        assert writer.drain(LONGEST_S)
        writer.append(block(400))
        writer.finish("run 2")
    assert ids_of(store) == list(range(1, 401))
    assert store.info(ADDRESS).next_stream == "run 2"
    assert files(tmp_path) == []


def test_a_server_need_not_be_there_at_first(relay: Relay, store: Store, tmp_path: Path) -> None:
    relay.hold()
    with spooling(relay, tmp_path) as remote, opened(remote) as writer:
        writer.append(block(1))
        writer.finish()
        writer.finish()
        with pytest.raises(StateError):
            writer.append(block(2))
        relay.release()
        assert writer.drain(LONGEST_S)
    assert ids_of(store) == [1]
    assert store.info(ADDRESS).state == "finished"


def test_it_survives_a_killed_producer_and_a_torn_end(relay: Relay, store: Store, tmp_path: Path) -> None:
    relay.hold()
    code = (
        "import sys; from tests.system.test_stream_spool import *\n"
        "remote = RemoteStore(sys.argv[1], patience_s=SHORT_S, spool=sys.argv[2] + '/spool')\n"
        "writer = opened(remote)\n"
        "for n in range(1, 101): writer.append(block(n))\n"
        "os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code, relay.address, str(tmp_path)], check=False, cwd=root)
    assert ended.returncode == -signal.SIGKILL
    (file,) = files(tmp_path)
    size = file.stat().st_size
    os.truncate(file, size - 3)  # as if it had died in the midst of the last
    relay.release()
    with spooling(relay, tmp_path), store.read(ADDRESS) as reader:
        assert reader.wait(98, LONGEST_S)
    assert ids_of(store) == list(range(1, 100))
    with spooling(relay, tmp_path) as remote, opened(remote) as writer:
        writer.append(block(100))
    assert ids_of(store) == list(range(1, 101))
    assert files(tmp_path) == []


def test_what_had_arrived_is_not_doubled(relay: Relay, store: Store, tmp_path: Path) -> None:
    relay.hold()
    remote = spooling(relay, tmp_path)
    writer = opened(remote)
    writer.append(block(1, 2))
    writer.append(block(3))
    with store.write(ADDRESS) as other:
        other.append(block(1, 2))
    relay.release()
    assert writer.drain(LONGEST_S)
    remote.close()
    assert ids_of(store) == [1, 2, 3]


def test_what_is_refused_is_told_and_kept(relay: Relay, store: Store, tmp_path: Path) -> None:
    with store.write(ADDRESS) as other:
        other.append(block(2))
    relay.hold()
    remote = spooling(relay, tmp_path)
    writer = opened(remote)
    writer.append(block(1))
    writer.append(block(2, 9))
    writer.append(block(3))
    relay.release()
    assert writer.drain(LONGEST_S)
    with pytest.raises(ConflictError, match="has these ids already: 2"):
        writer.append(block(4))
    writer.append(block(4))
    remote.close()
    assert ids_of(store) == [2, 1, 3, 4]
    assert [file.suffix for file in files(tmp_path)] == [".refused"]


def test_it_is_bounded(relay: Relay, store: Store, tmp_path: Path) -> None:
    relay.hold()
    with spooling(relay, tmp_path, spool_bytes=2000) as remote, opened(remote) as writer:
        n = 5
        for k in range(1, n + 1):
            writer.append(block(k))
        with pytest.raises(StoreFullError, match="may take 2000 bytes"):
            writer.append(block(*range(n + 1, 50)))
        relay.release()
        assert writer.drain(LONGEST_S)
        writer.append(block(n + 1))
    assert ids_of(store) == list(range(1, n + 2))


def test_one_process_spools_a_stream(relay: Relay, tmp_path: Path) -> None:
    relay.hold()
    with spooling(relay, tmp_path) as one, opened(one) as writer:
        writer.append(block(1))
        with spooling(relay, tmp_path) as two, pytest.raises(ConflictError, match="spooled by another"):
            two.write(ADDRESS)
        relay.release()
        assert writer.drain(LONGEST_S)
