"""The memory of kept events: always the newest that fit, in order, whole; whoever comes later goes on."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.message import Message
from penstock.errors import RemoteProtocolError
from penstock.views.event_memory import EventMemory, make_event_file
from penstock.wire.kept_events import PackedEvent, read_event

MOST = 4096


@pytest.fixture
def fd() -> Iterator[int]:
    fd = make_event_file("test")
    yield fd
    os.close(fd)


def event(number: int, size: int) -> PackedEvent:
    return PackedEvent(Message(number, array=np.full(size, number % 251, np.uint8)))


def numbers(memory: EventMemory, last: int | None = None, number: int | None = None) -> list[int]:
    found = [read_event(record) for record in memory.read(last, number).records]
    for each in found:
        assert (each["message"].array == each.number % 251).all()
    return [each.number for each in found]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.lists(st.integers(0, MOST + 200), max_size=40), st.sets(st.integers(0, 39), max_size=3))
def test_the_newest_that_fit_are_there_also_for_a_successor(n: int, sizes: list[int], deaths: set[int]) -> None:
    fd = make_event_file("test")
    try:
        writer, reader = EventMemory(fd, is_writable=True), EventMemory(fd)
        writer.begin(n, MOST)
        kept: list[PackedEvent] = []
        for k, size in enumerate(sizes):
            if k in deaths:
                writer = EventMemory(fd, is_writable=True)
                writer.begin(n, MOST)
            packed = event(k, size)
            is_lost = writer.keep([packed])
            assert is_lost == (packed.nbytes > MOST)
            kept += [] if is_lost else [packed]
            there = numbers(reader)
            assert there == [each.number for each in kept[len(kept) - len(there) :]]
            assert len(there) <= n
            holds = reader.holds()
            assert holds.kept == len(kept)
            assert holds.nbytes <= MOST
            assert list(holds.numbers) == there
            # No more were given up than a gap at the end of the ring asks for.
            rest = kept[: len(kept) - len(there)]
            if rest and len(there) < n:
                largest = max(each.nbytes for each in kept)
                assert holds.nbytes + rest[-1].nbytes + largest > MOST
    finally:
        os.close(fd)


def test_several_keep_in_turn_in_the_same_memory(fd: int) -> None:
    first, second = EventMemory(fd, is_writable=True), EventMemory(fd, is_writable=True)
    for each in (first, second):
        each.begin(5, MOST)
    for k in range(20):
        (first if k % 3 else second).keep([event(k, 500)])
    assert numbers(EventMemory(fd)) == [15, 16, 17, 18, 19]


def test_some_can_be_asked_for(fd: int) -> None:
    memory = EventMemory(fd, is_writable=True)
    assert memory.read().records == []
    assert memory.holds().kept == 0
    memory.begin(10, 1 << 20)
    memory.keep([event(k, 100) for k in range(8)])
    assert numbers(memory, last=3) == [5, 6, 7]
    assert numbers(memory, number=4) == [4]
    assert numbers(memory, number=99) == []
    size = event(0, 100).nbytes
    found = memory.read(most_bytes=2 * size + 1)
    assert ([read_event(each).number for each in found.records], found.left_off) == ([6, 7], 6)


def test_what_is_displaced_while_it_is_read_is_left_out(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = EventMemory(fd, is_writable=True), EventMemory(fd)
    writer.begin(3, MOST)
    writer.keep([event(k, 100) for k in range(3)])
    copy = reader._file.read

    def slowly(at: int, nbytes: int) -> bytes:
        data = copy(at, nbytes)
        if writer.holds().kept < 5:
            writer.keep([event(9, 100)])
        return data

    monkeypatch.setattr(reader._file, "read", slowly)
    assert numbers(reader) == [2]  # the newest is read first; one came meanwhile in place of 0, one in place of 1
    assert numbers(reader) == [2, 9, 9]


def test_memory_of_something_else_is_refused(fd: int) -> None:
    memory = EventMemory(fd, is_writable=True)
    memory.begin(3, MOST)
    memory._words()[1] = 99
    with pytest.raises(RemoteProtocolError, match="another version"):
        memory.holds()
