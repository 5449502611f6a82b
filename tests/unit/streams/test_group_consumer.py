"""A member of a group through its consumer: what is claimed, acknowledged, given back, and how it ends."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.core.group_record import Claim
from penstock.core.id_set import IdSet
from penstock.core.stream_address import StreamAddress
from penstock.errors import NoDataError, StateError, StreamAbortedError, StreamEndedError, StreamError
from penstock.streams import group_reading
from penstock.streams.directory import DirectoryStore
from penstock.streams.directory import store as directory_store
from penstock.streams.group_bell import Bell, file_bell
from penstock.streams.group_consumer import AsyncGroupConsumer, GroupConsumer
from penstock.streams.group_store import StoredGroup
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


@pytest.fixture(params=["memory", "directory"])
def told(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenStore]:
    """A store whose members look at nothing again by themselves: who is not told waits for ever."""
    monkeypatch.setattr(group_reading, "LOOK_S", 1e6)

    def bell(path: Path) -> Bell | None:
        made = file_bell(path)
        if made is None:  # whatever else runs here has used up the watches
            monkeypatch.setattr(group_reading, "LOOK_S", 0.05)
        return made

    monkeypatch.setattr(directory_store, "file_bell", bell)
    with OpenStore(MemoryStore() if request.param == "memory" else DirectoryStore(tmp_path / "store")) as store:
        yield store


class Waiting:
    """Somebody who waits for a message of a group in another thread, and how often it has asked for some."""

    def __init__(self, store: OpenStore, *, is_async: bool) -> None:
        self._store = store
        self._is_async = is_async
        self.found: int | str = "nothing"
        self.claims = 0
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Waiting":
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self.found = asyncio.run(self._next_async()) if self._is_async else self._next()
        except StreamEndedError:
            self.found = "end"

    def _next(self) -> int:
        with self._store.group(RUN, "g") as member:
            self._count(member)
            return member.next().id

    async def _next_async(self) -> int:
        async with AsyncOpenStore(self._store.store).group(RUN, "g") as member:
            self._count(member)
            return (await member.next()).id

    def _count(self, member: GroupConsumer | AsyncGroupConsumer) -> None:
        reading = member._reading
        claim = reading.member.claim

        def counted(size: int) -> Claim:
            self.claims += 1
            found = claim(size)
            if self.claims > 1:  # the next one decides, or it has been decided; then it waits
                self._begun.set()
            return found

        reading.member.claim = counted  # type: ignore[method-assign,assignment]


Does = Callable[[GroupConsumer], object]


@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
@pytest.mark.parametrize(
    ("does", "end", "found"),
    [
        (lambda one: one.nack(1), False, 1),
        (lambda one: one.nack(2, delay_s=0.01), False, 2),
        (lambda one: one.close(), False, 1),
        (lambda one: one.seek(1), False, 2),
        (lambda one: (one.ack(1, 2), one.flush()), True, "end"),
        (lambda one: (one.ack(1), one.flush(), one.nack(2)), True, 2),
        (lambda one: (one.ack(1, 2), one.flush(), one.seek(0)), False, 1),
    ],
    ids=["nack", "nack with delay", "leave", "seek", "done", "one done", "done and seek"],
)
def test_who_waits_is_told_what_others_do(
    told: OpenStore, does: Does, end: bool, found: int | str, is_async: bool
) -> None:
    _send(told, 1, 2, end=end)
    with told.group(RUN, "g") as one:
        assert len(one.batch()) == 2
        with Waiting(told, is_async=is_async) as waiting:
            does(one)
    assert waiting.found == found
    assert waiting.claims < 10 or group_reading.LOOK_S < 1


def test_who_waits_takes_over_what_was_not_acknowledged_in_time(told: OpenStore) -> None:
    _send(told, 1, end=True)
    store = told.store
    assert isinstance(store, MemoryStore | DirectoryStore)
    kept = (
        store._groups.group(StreamAddress.parse(RUN), "g")
        if isinstance(store, MemoryStore)
        else StoredGroup(store.path / "groups", RUN, "g")
    )
    there = IdSet()
    there.add(1)
    with kept.change() as state:
        state.claim("killed", there, time.monotonic_ns(), size=1, lease_ns=300_000_000)
    kept.close()
    with Waiting(told, is_async=False) as waiting:
        pass
    assert waiting.found == 1
    assert waiting.claims < 10 or group_reading.LOOK_S < 1


def test_who_cannot_be_told_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_store, "file_bell", lambda path: None)
    with OpenStore(DirectoryStore(tmp_path / "store")) as store:
        _send(store, 1, 2, end=True)
        with store.group(RUN, "g") as one:
            assert len(one.batch()) == 2
            with Waiting(store, is_async=False) as waiting:
                one.nack(2)
    assert waiting.found == 2


def test_who_waits_is_told_that_the_group_was_deleted(told: OpenStore) -> None:
    _send(told, 1, end=True)
    store = told.store
    assert isinstance(store, MemoryStore | DirectoryStore)
    with told.group(RUN, "g") as one:
        one.next()
        with Waiting(told, is_async=False) as waiting:
            store.delete_group(StreamAddress.parse(RUN), "g")
        assert waiting.found == 1
