"""Members of a group over TCP: they share a stream, and who is cut off or killed loses nothing."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from penstock.core import Block, Message
from penstock.core.id_ranges import to_ids
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, ServiceError, StateError, StreamError
from penstock.services.stream_server import StreamServer
from penstock.services.stream_tokens import Scope, Tokens
from penstock.streams.membership import Membership
from penstock.streams.memory_store import MemoryStore
from penstock.streams.remote_store import RemoteStore
from penstock.streams.store import (
    Level,
    MetadataMode,
    Store,
    StreamInfo,
    StreamReader,
    StreamWriter,
    Sync,
)
from tests.system.relay import Relay

ADDRESS = StreamAddress("c1", "eiger", "run 1")
LONGEST_S = 20.0


class Ungrouped(Store):
    """What a memory store can do, but for groups."""

    level: ClassVar[Level] = Level.INDEXED
    can_sync: ClassVar[bool] = False

    def __init__(self) -> None:
        self._store = MemoryStore()

    def write(self, address: StreamAddress, *, sync: Sync = "interval") -> StreamWriter:
        return self._store.write(address, sync=sync)

    def read(self, address: StreamAddress) -> StreamReader:
        return self._store.read(address)

    def streams(self, within: StreamAddress | None = None) -> Sequence[StreamInfo]:
        return self._store.streams(within)

    def delete(self, address: StreamAddress) -> bool:
        return self._store.delete(address)

    def metadata(self, address: StreamAddress) -> Mapping[str, Any] | None:
        return self._store.metadata(address)

    def set_metadata(
        self, address: StreamAddress, value: Mapping[str, Any], mode: MetadataMode = "replace", *, upsert: bool = True
    ) -> None:
        self._store.set_metadata(address, value, mode, upsert=upsert)

    def close(self) -> None:
        self._store.close()


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    with MemoryStore() as store:
        with store.write(ADDRESS) as writer:
            writer.append(Block.of("any", [Message(id=n, array=np.array(n)) for n in range(1, 101)]))
        yield store


@pytest.fixture
def server(store: MemoryStore) -> Iterator[StreamServer]:
    with StreamServer(store) as server:
        yield server


def client(address: str) -> RemoteStore:
    return RemoteStore(address, patience_s=LONGEST_S)


def claimed(member: Membership, size: int = 256) -> list[int]:
    return to_ids(member.claim(size).ids)


def test_members_share_a_stream_and_acknowledge_in_ranges(server: StreamServer) -> None:
    with client(server.address) as a, client(server.address) as b:
        assert a.level is Level.GROUPS
        with a.group(ADDRESS, "fit", member="a") as one, b.group(ADDRESS, "fit", member="b", flush_s=0) as two:
            first, second = claimed(one, 30), claimed(two, 30)
            assert (first, second) == (list(range(1, 31)), list(range(31, 61)))
            one.acknowledge(*first)
            two.acknowledge(*second[:10])
            assert one.flush() == []
            one.acknowledge(5)
            assert one.flush() == [(5, 5)], "it had been before"
            assert two.refuse(41, 42, reason="bad") == 2
            found = two.snapshot()
            assert (found.acknowledged, found.in_flight, found.waiting, found.unclaimed) == (40, 18, 2, 40)
            assert {member.name for member in found.members} == {"a", "b"}
            assert two.unacknowledged(1, 45) == [(41, 45)]
            assert (one.newest(), two.newest()) == (100, 0)
            assert claimed(one, 1) == [41], "what came back is handed out first"
            one.seek(98)
            assert (claimed(one), claimed(one), claimed(one)) == ([42], [99, 100], [])
            assert (one.dead(), one.revive()) == ([], 0)
        assert a.groups(ADDRESS) == ["fit"]
        assert a.delete_group(ADDRESS, "fit")
        assert not a.delete_group(ADDRESS, "fit")
        with pytest.raises(StateError, match="has left"):
            one.claim()


def test_a_claim_brings_its_messages_to_who_reads_the_stream(server: StreamServer) -> None:
    with (
        Relay(server.address) as relay,
        client(relay.address) as remote,
        remote.read(ADDRESS) as reader,
        remote.group(ADDRESS, "fit") as one,
    ):
        assert claimed(one, 10) == list(range(1, 11))
        relay.hold()
        relay.cut()  # nothing can be asked for
        found = [message for stored in reader.get(1, 10) for message in stored.messages()]
        assert [(message.id, int(message.array)) for message in found] == [(n, n) for n in range(1, 11)]
        relay.release()
        assert sum(len(stored.block) for stored in reader.get(1, 10)) == 10, "once more it is fetched"
        assert claimed(one, 10) == list(range(1, 11)), "they came back when the connection broke"
        assert [n for stored in reader.get(5, 6) for n in stored.block.ids.tolist()] == [5, 6]


def test_what_does_not_come_with_a_claim_is_fetched(store: MemoryStore, server: StreamServer) -> None:
    address = StreamAddress("c1", "eiger", "large")
    size = 5 << 20
    with store.write(address) as writer:
        for n in range(1, 5):
            writer.append(Block.of("any", [Message(id=n, array=np.full(size, n, np.uint8))]))
        writer.finish()
    with client(server.address) as remote, remote.read(address) as reader, remote.group(address, "fit") as one:
        assert claimed(one) == [1, 2, 3, 4]
        found = [message for stored in reader.get(1, 4) for message in stored.messages()]
        assert [(message.id, int(message.array.min()), message.array.size) for message in found] == [
            (n, n, size) for n in range(1, 5)
        ]


def test_acknowledgements_are_written_after_a_while_by_themselves(server: StreamServer, store: MemoryStore) -> None:
    with client(server.address) as remote, remote.group(ADDRESS, "fit", member="a", flush_s=0.001) as one:
        one.acknowledge(*claimed(one, 10))
        with store.group(ADDRESS, "fit", member="watcher", survives_power_loss=False) as watcher:
            deadline = time.monotonic() + LONGEST_S
            while watcher.snapshot().acknowledged < 10 and time.monotonic() < deadline:
                time.sleep(0.01)  # it is held while it is looked at
            assert watcher.snapshot().acknowledged == 10


def test_a_member_that_is_cut_off_gives_back_what_it_has_at_once(server: StreamServer) -> None:
    with Relay(server.address) as relay, client(relay.address) as far, client(server.address) as near:
        lost, other = far.group(ADDRESS, "fit", member="far", lease_s=1000), near.group(ADDRESS, "fit", member="near")
        held = claimed(lost, 60)
        lost.acknowledge(*held[:20])
        lost.flush()
        lost.acknowledge(*held[20:25])
        relay.hold()
        relay.cut()
        got: list[int] = []
        for _ in range(100_000):
            got += claimed(other)
            if len(got) == 80:
                break
        assert sorted(got) == list(range(21, 101))
        relay.release()
        assert claimed(lost) == [], "it is a member again, with nothing; and what it acknowledged is"
        other.acknowledge(*got)
        assert other.flush() == [(21, 25)]
        assert other.snapshot().lag == 0
        lost.leave()
        other.leave()
        assert far.connections == 2


def test_a_member_that_is_killed_loses_nothing(server: StreamServer) -> None:
    code = (
        "import sys; from tests.system.test_stream_groups import *\n"
        "one = client(sys.argv[1]).group(ADDRESS, 'fit', lease_s=1000)\n"
        "print(len(claimed(one, 50)), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, server.address],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"50\n"
        process.kill()
    with client(server.address) as remote, remote.group(ADDRESS, "fit") as other:
        got: list[int] = []
        for _ in range(100_000):
            got += claimed(other)
            if len(got) == 100:
                break
        assert sorted(got) == list(range(1, 101))


def test_who_comes_back_takes_its_own_place(server: StreamServer) -> None:
    with client(server.address) as a, client(server.address) as b:
        one = a.group(ADDRESS, "fit", member="same", lease_s=1000)
        assert len(claimed(one, 50)) == 50
        two = b.group(ADDRESS, "fit", member="same", lease_s=1000)
        assert len(claimed(two) + claimed(two)) == 100, "what it had is free again"
        with pytest.raises(ConflictError, match="by the name of 'same'"):
            one.claim()
        two.leave()


def test_errors_of_groups_are_the_same_on_the_other_side(server: StreamServer) -> None:
    with client(server.address) as remote, remote.group(ADDRESS, "fit", attempts=3) as one:
        with pytest.raises(ConflictError):
            remote.group(ADDRESS, "fit", attempts=4)
        with pytest.raises(StreamError, match="too little"):
            remote.group(ADDRESS, "other", lease_s=0)
        with pytest.raises(StreamError, match="no id -1"):
            one.seek(-1)
        with pytest.raises(StreamError):
            one.unacknowledged(5, 4)


def test_a_store_without_groups_says_so() -> None:
    with Ungrouped() as store, StreamServer(store) as server, client(server.address) as remote:
        assert remote.level is Level.INDEXED
        with pytest.raises(StreamError, match="has no groups"):
            remote.group(ADDRESS, "fit")


def test_a_token_must_allow_to_read(store: MemoryStore) -> None:
    tokens = Tokens(b"0123456789abcdef0123456789abcdef")
    token = tokens.issue("anna", [Scope.parse("write:c1")], lasts_s=60)
    with (
        StreamServer(store, tokens=tokens) as server,
        RemoteStore(server.address, token) as remote,
        pytest.raises(ServiceError, match="does not allow to read"),
    ):
        remote.group(ADDRESS, "fit")
