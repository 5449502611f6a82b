"""The groups of stores: members share a stream that grows, and are forgotten with it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, StreamError
from penstock.streams.directory import DirectoryStore
from penstock.streams.ids_there import IdsThere
from penstock.streams.membership import GroupStore, Membership
from penstock.streams.memory_store import MemoryStore

RUN = StreamAddress.parse("c2026/eiger/run 7")
OTHER = StreamAddress.parse("c2026/eiger/run 70")


@pytest.fixture(params=["memory", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GroupStore]:
    with MemoryStore() if request.param == "memory" else DirectoryStore(tmp_path / "store") as store:
        yield store


@pytest.fixture
def append(store: GroupStore) -> Iterator[Callable[..., None]]:
    with store.write(RUN) as writer:

        def append(*ids: int) -> None:
            writer.append(Block.of(RUN.stream, [Message(id=k, array=np.uint8(k)) for k in ids]))

        yield append


def claimed(member: Membership, size: int = 256) -> list[int]:
    return [k for first, last in member.claim(size).ids for k in range(first, last + 1)]


def rest(member: Membership) -> list[int]:
    """Claim until there is nothing more: what comes back and what is new come apart."""
    found: list[int] = []
    while more := claimed(member):
        found += more
    return found


def test_members_share_what_there_is_and_what_comes_later_also_out_of_order(
    store: GroupStore, append: Callable[..., None]
) -> None:
    append(3, 4, 5)
    with store.group(RUN, "fit", member="a", flush_s=0) as a, store.group(RUN, "fit", member="b", flush_s=0) as b:
        first, second = claimed(a, 2), claimed(b, 2)
        assert (first, second) == ([3, 4], [5])
        append(1, 7)
        append(2)
        third = rest(b)
        assert sorted(third) == [1, 2, 7]
        a.acknowledge(*first)
        b.acknowledge(*second, *third)
        assert not rest(a)
        assert not a.unacknowledged()
        assert a.snapshot().lag == 0
    assert list(store.groups(RUN)) == ["fit"]
    assert list(store.groups(OTHER)) == []


def test_a_group_goes_on_where_it_was_and_others_know_nothing_of_it(
    store: GroupStore, append: Callable[..., None]
) -> None:
    append(*range(1, 11))
    with store.group(RUN, "fit", flush_s=0) as member:
        member.acknowledge(*claimed(member, 4))
        claimed(member, 3)  # given back when it leaves
    with store.group(RUN, "fit") as member, store.group(RUN, "other") as other:
        assert rest(member) == [5, 6, 7, 8, 9, 10]
        assert rest(other) == list(range(1, 11))


def test_groups_go_with_their_stream_and_no_other(store: GroupStore) -> None:
    for address in (RUN, OTHER):
        with store.write(address) as writer:
            writer.append(Block.of(address.stream, [Message(id=k) for k in (1, 2, 3)]))
        with store.group(address, "fit", flush_s=0) as member:
            member.acknowledge(*claimed(member, 2))
    assert store.delete(RUN)
    assert (list(store.groups(RUN)), list(store.groups(OTHER))) == ([], ["fit"])
    with store.write(RUN) as writer:
        writer.append(Block.of(RUN.stream, [Message(id=k) for k in (1, 2, 3)]))
    with store.group(RUN, "fit") as again, store.group(OTHER, "fit") as other:
        assert rest(again) == [1, 2, 3]
        assert rest(other) == [3]
    assert store.delete_group(OTHER, "fit")
    assert not store.delete_group(OTHER, "fit")


def test_a_group_is_read_without_becoming_a_member(store: GroupStore, append: Callable[..., None]) -> None:
    append(1, 2, 3, 5)
    assert store.group_report(RUN, "fit") is None
    assert list(store.groups(RUN)) == []
    with store.group(RUN, "fit", member="a", attempts=1, flush_s=0) as member:
        member.acknowledge(*claimed(member, 2))
        member.refuse(*claimed(member), reason="dark")
        report = store.group_report(RUN, "fit")
        assert report is not None
        assert (report.rules.attempts, report.dead, report.unacknowledged) == (
            1,
            member.dead(),
            member.unacknowledged(),
        )
        at = report.snapshot
        assert (at.position, at.settled, at.dead, at.unclaimed) == (2, 1, 1, 2)
        assert [each.seen_ns <= report.read_ns for each in at.members] == [True]
        assert [each.name for each in member.snapshot().members] == ["a"]
    assert store.group_report(OTHER, "fit") is None


def test_what_cannot_be_a_group_is_refused(store: GroupStore, append: Callable[..., None]) -> None:
    append(1)
    with pytest.raises(StreamError, match="a group needs a name"):
        store.group(RUN, "")
    with pytest.raises(StreamError):
        store.group(StreamAddress.parse("c2026/eiger"), "fit")
    with store.group(RUN, "fit", attempts=2), pytest.raises(ConflictError):
        store.group(RUN, "fit", attempts=3)


def test_only_what_is_new_is_looked_at(store: GroupStore, append: Callable[..., None]) -> None:
    there = IdsThere(store.read(RUN))
    assert there().count == 0
    for ids, expected in (
        ((2, 3), [2, 3]),
        ((10,), [2, 3, 10]),
        ((5,), [2, 3, 5, 10]),
        ((4, 11), [2, 3, 4, 5, 10, 11]),
    ):
        append(*ids)
        assert there().ids().tolist() == expected
        assert there().ids().tolist() == expected
    there.close()
