"""A member of a group through its consumer: what is claimed, acknowledged, given back, and how it ends."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.errors import NoDataError, StateError, StreamAbortedError, StreamEndedError, StreamError
from penstock.streams.group_consumer import AsyncGroupConsumer, GroupConsumer
from penstock.streams.memory_store import MemoryStore
from penstock.streams.open_store import AsyncOpenStore, OpenStore

RUN = "c2026/eiger/run 7"


@pytest.fixture
def store() -> Iterator[OpenStore]:
    with OpenStore(MemoryStore()) as store:
        yield store


def _send(store: OpenStore, *ids: int, end: bool = False) -> None:
    with store.producer(RUN) as out:
        for number in ids:
            out.send(b"%d" % number, id=number, timestamp_ns=100 * number)
        if end:
            out.finish(next_stream="run 8")


@pytest.mark.parametrize("prefetch", [1, 2, 100])
def test_members_share_the_messages_and_see_the_end_when_all_are_done(store: OpenStore, prefetch: int) -> None:
    _send(store, *range(1, 21), end=True)
    first, second = (store.group(RUN, "g", prefetch=prefetch) for _ in range(2))
    found: list[int] = []
    with first, second:
        for member in (first, second) * 10:
            try:
                message = member.next(0)
            except NoDataError:  # the other one has the rest
                continue
            found.append(message.id)
            member.ack(message)
            member.flush()
        for member in (first, second):
            for message in member.follow():
                found.append(message.id)
                member.ack(message)
        with pytest.raises(StreamEndedError) as ended:
            second.next()
        assert ended.value.next_stream == "run 8"
        assert first.snapshot().settled == 20
        assert first.unacknowledged() == []
    assert sorted(found) == list(range(1, 21))


def test_what_was_not_acknowledged_comes_again(store: OpenStore) -> None:
    _send(store, 1, 2, 3)
    with store.group(RUN, "g") as member:
        assert [message.id for message in member.batch(2)] == [1, 2]
        member.ack(2)
    with store.group(RUN, "g") as member:
        assert [member.next().id, member.attempt] == [1, 1]
        assert member.nack(1, reason="no energy") == 1
        assert [member.next().id, member.next().id] == [3, 1]
        assert member.attempt == 2
        assert member.unacknowledged() == [(1, 1), (3, 3)]
        with pytest.raises(NoDataError):
            member.next(0.001)
        member.ack(1, 3)
    with pytest.raises(StateError):
        member.next()


def test_attempts_end_in_the_list_of_the_dead(store: OpenStore) -> None:
    _send(store, 1, end=True)
    with store.group(RUN, "g", attempts=2) as member:
        for _ in range(2):
            member.nack(member.next(), reason="bad")
        with pytest.raises(StreamEndedError):
            member.next()
        assert [(letter.ids, letter.reason) for letter in member.dead()] == [([(1, 1)], "bad")]
        assert member.revive() == 1
        assert member.next().id == 1


def test_last_is_given_once_to_a_group_and_next_does_not_know(store: OpenStore) -> None:
    with store.group(RUN, "g") as first, store.group(RUN, "g") as second:
        with pytest.raises(NoDataError):
            first.last()
        _send(store, 1, 2)
        assert first.last().id == 2
        with pytest.raises(NoDataError):
            second.last()
        _send(store, 3, end=True)
        assert second.last().id == 3
        with pytest.raises(StreamEndedError):
            first.last(None)
        assert first.next().id == 1


def test_a_group_goes_back_and_forth_by_id_and_time(store: OpenStore) -> None:
    _send(store, 1, 2, 3, 4, 5)
    with store.group(RUN, "g") as member:
        message = member.next()
        member.seek(3)
        member.ack(message)
        assert [m.id for m in member.batch()] == [4, 5]
        member.seek_time(200)
        assert [m.id for m in member.batch()] == [2, 3, 4, 5]
        member.seek_time(501)
        with pytest.raises(NoDataError):
            member.next(0)


def test_gaps_are_told_once_and_what_comes_late_is_handed_out(store: OpenStore) -> None:
    _send(store, 1, 4)
    with store.group(RUN, "g", order="id") as member:
        assert [member.next().id, member.next().id] == [1, 4]
        assert member.take_gaps() == [(2, 3)]
        assert member.take_gaps() == []
        _send(store, 3)
        assert member.next().id == 3


def test_an_aborted_stream_ends_in_an_error(store: OpenStore) -> None:
    with store.producer(RUN) as out:
        out.send(b"")
        out.abort("the beam is gone")
    with store.group(RUN, "g") as member:
        member.ack(member.next())
        with pytest.raises(StreamAbortedError, match="the beam is gone"):
            list(member.follow())


def test_what_was_removed_while_it_was_claimed_does_not_hold_up_the_end() -> None:
    with OpenStore(MemoryStore(most_bytes=3000)) as store:
        with store.producer(RUN) as out:
            for _ in range(4):
                out.send(bytes(1000)).wait()
            member = store.group(RUN, "g", prefetch=1)
            member.ack(member.next())
            kept = member._reading._fetch

            def late(*claimed: Any) -> None:
                for _ in range(4):
                    out.send(bytes(1000)).wait()
                member._reading._fetch = kept  # type: ignore[method-assign]
                kept(*claimed)

            member._reading._fetch = late  # type: ignore[method-assign,assignment]
            rest = [member.next().id]
            out.finish()
            member.ack(rest[0])
            for message in member.follow():
                rest.append(message.id)
                member.ack(message)
            member.close()
        assert rest[-1] == 8


def test_what_makes_no_sense_is_refused(store: OpenStore) -> None:
    for options in ({"prefetch": 0}, {"attempts": -1}):
        with pytest.raises(StreamError):
            store.group(RUN, "g", **options)  # type: ignore[arg-type]
    with store.group(RUN, "g") as member, pytest.raises(StreamError):
        member.batch(0)
    with pytest.raises(StreamError, match="needs a name"):
        store.group(RUN, "")


def test_coroutines_are_members_by_the_same_names(store: OpenStore) -> None:
    for name in dir(GroupConsumer):
        if not name.startswith("_") and callable(getattr(GroupConsumer, name)):
            mine, twin = (inspect.signature(getattr(cls, name)) for cls in (GroupConsumer, AsyncGroupConsumer))
            assert str(mine.parameters) == str(twin.parameters)

    async def member(found: list[int]) -> None:
        async with AsyncOpenStore(store.store).group(RUN, "g", prefetch=2) as member:
            async for message in member.follow():
                found.append(message.id)
                await member.ack(message)
            assert (await member.snapshot()).settled == 10

    async def main() -> None:
        found: list[int] = []
        async with AsyncOpenStore(store.store).producer(RUN) as out:
            tasks = [asyncio.create_task(member(found)) for _ in range(3)]
            for _ in range(10):
                await (await out.send(b""))
            await out.finish()
            await asyncio.gather(*tasks)
        assert sorted(found) == list(range(1, 11))

    asyncio.run(main())
