"""A member's way through a stream by blocks: what it claims, what has gone, and when there is no more."""

import select

import numpy as np

from penstock.core import Block, Message
from penstock.core.stream_address import StreamAddress
from penstock.streams.group_blocks import GroupBlocks
from penstock.streams.memory_store import MemoryStore

ADDRESS = StreamAddress("c1", "a", "s")


def block(*ids: int) -> Block:
    return Block.of("s", [Message(id=k, array=np.full(2, k)) for k in ids])


def member(store: MemoryStore, size: int = 100) -> GroupBlocks:
    return GroupBlocks(store.read(ADDRESS), store.group(ADDRESS, "g", flush_s=0), size)


def test_two_members_share_a_stream_and_end_when_the_other_has_nothing() -> None:
    store = MemoryStore()
    with store.write(ADDRESS) as writer:
        writer.append(block(1, 2, 3))
        writer.append(block(7, 8))
        one, other = member(store, 3), member(store, 3)
        mine, yours = one.next(), other.next()
        assert mine is not None
        assert yours is not None
        assert (mine[0].ids.tolist(), yours[0].ids.tolist()) == ([1, 2, 3], [7, 8])
        assert one.next() is None
        ends = [one.end]  # more may come
        writer.finish()
    assert one.next() is None
    ends.append(one.end)  # the other has something
    assert ends == [None, None]
    other.acknowledge(yours[0].ids, yours[1])
    assert one.next() is None
    assert one.end is not None, "what only this member has is no reason to wait"
    one.leave()
    assert other.next() is not None, "it was given back"
    other.leave()


def test_its_reader_wakes_whoever_waits() -> None:
    store = MemoryStore()
    reader = store.read(ADDRESS)
    blocks = GroupBlocks(reader, store.group(ADDRESS, "g"))
    poller = select.poll()
    poller.register(reader.fileno(), select.POLLIN)
    assert blocks.next() is None
    assert not poller.poll(0)
    with store.write(ADDRESS) as writer:
        writer.append(block(5))
        assert poller.poll(1000)
    found = blocks.next()
    assert found is not None
    assert found[0].ids.tolist() == [5]
    blocks.leave()


def test_what_has_gone_since_it_was_claimed_is_told_to_the_group() -> None:
    store = MemoryStore()
    with store.write(ADDRESS) as writer:
        writer.append(block(1, 2, 3, 6))
        writer.finish()

    class Lacking:
        """The reader, without what retention has taken."""

        def __init__(self) -> None:
            self._reader = store.read(ADDRESS)

        def __getattr__(self, name: str) -> object:
            return getattr(self._reader, name)

        def get(self, first: int, last: int) -> object:
            found = self._reader.get(first, last)
            return (each.take(np.flatnonzero(each.block.ids == 2)) for each in found if 2 in each.block.ids)

    group = store.group(ADDRESS, "g", flush_s=0, attempts=2)
    blocks = GroupBlocks(Lacking(), group)  # type: ignore[arg-type]
    found = []
    while (each := blocks.next()) is not None:
        found.append(each)
    assert [each[0].ids.tolist() for each in found] == [[2]]
    assert {number for letter in group.dead() for a, b in letter.ids for number in range(a, b + 1)} == {1, 3, 6}
    blocks.leave()
