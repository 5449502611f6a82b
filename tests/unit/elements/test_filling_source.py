"""Sources that fill: in a slot and in private memory come the same messages, whatever lay there before."""

from collections.abc import Callable

import numpy as np
import pytest

from penstock.core import Block, Kind
from penstock.core.decoder import Traits
from penstock.elements import Filled, FillingSource
from penstock.elements.filling_source import METADATA_BYTES, fill_slot, reserve_here
from penstock.errors import ResultTypeError
from penstock.wire.layout import read_block
from penstock.wire.reserve import Form, Reserved, layout_of


class Camera(FillingSource):
    """Says its start, then two frames a block, each full of its number, then its end."""

    traits = Traits(number="frame", first=0)
    form = layout_of(2, ("uint16", (2, 3)), ("float64", ()))

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._next = -1

    def fill(self, into: Reserved, now_ns: int) -> Filled:
        first = self._next
        if first < 0:
            self._next = 0
            return Filled(rows=1, metadata=[{"frames": self._frames}], kind=Kind.START)
        if first >= self._frames:
            into.timestamps[0] = now_ns + 1
            return Filled(rows=1, kind=Kind.END, ended=True)
        self._next = min(first + 2, self._frames)
        rows = self._next - first
        assert into.keys is not None
        into.keys[:rows] = range(first, self._next)
        for row in range(rows):
            into.columns[0][row] = first + row
            into.columns[1][row] = 0.5
        return Filled(rows=rows, metadata=[{"n": first + row} for row in range(rows)])


class Says(FillingSource):
    """Says one thing without filling anything."""

    form = layout_of(2, ("uint8", ()))

    def __init__(self, filled: Filled) -> None:
        self.filled = filled

    def fill(self, into: Reserved, now_ns: int) -> Filled:
        return self.filled


def read_all(source: FillingSource) -> list[Block]:
    """Read to the end, as an engine without slots does."""
    blocks: list[Block] = []
    while True:
        reading = source.read(100)
        blocks += reading.blocks
        if reading.ended:
            return blocks


def fill_all(source: FillingSource) -> list[Block]:
    """Read to the end through one slot, full of bytes of no meaning; what came is copied out of it."""
    into = reserve_here(source.form)
    blocks: list[Block] = []
    next_id, ended = 1, False
    while not ended:
        into.slot[:] = 0xA5
        layout, filled = fill_slot(source, into, next_id, 100)
        if layout is not None:
            blocks.append(read_block(layout, into.slot.copy(), "camera"))
        next_id += filled.rows
        ended = filled.ended
    return blocks


@pytest.mark.parametrize("drain", [read_all, fill_all])
def test_what_is_filled_is_what_comes(drain: Callable[[FillingSource], list[Block]]) -> None:
    blocks = drain(Camera(5))
    assert [(block.kind, len(block)) for block in blocks] == [
        (Kind.START, 1),
        (Kind.DATA, 2),
        (Kind.DATA, 2),
        (Kind.DATA, 1),
        (Kind.END, 1),
    ]
    start, *frames, end = [message for block in blocks for message in block.messages()]
    assert [message.id for message in (start, *frames, end)] == [1, 2, 3, 4, 5, 6, 7]
    assert [message.key for message in frames] == [0, 1, 2, 3, 4]
    assert [message.array.tolist() for message in frames] == [[[n] * 3] * 2 for n in range(5)]
    assert [message.more[0].item() for message in frames] == [0.5] * 5
    assert [dict(message.metadata) for message in frames] == [{"n": n} for n in range(5)]
    assert {message.timestamp_ns for message in (start, *frames)} == {100}
    assert (dict(start.metadata), dict(end.metadata), end.timestamp_ns) == ({"frames": 5}, {}, 101)


@pytest.mark.parametrize("drain", [read_all, fill_all])
def test_start_and_end_have_neither_number_nor_arrays(drain: Callable[[FillingSource], list[Block]]) -> None:
    blocks = drain(Camera(1))
    for block in (blocks[0], blocks[-1]):
        assert (block.keys, block.columns) == (None, ())


def test_what_was_read_stays_and_cannot_be_written() -> None:
    source = Camera(4)
    source.stream = "camera"
    blocks = read_all(source)
    first, second = blocks[1].columns[0], blocks[2].columns[0]
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert not np.shares_memory(first, second)
    assert (first[0, 0, 0], second[0, 0, 0]) == (0, 2)
    assert not first.flags.writeable
    assert blocks[1].stream == "camera"


def test_nothing_now_is_an_empty_reading_and_uses_no_number() -> None:
    source = Says(Filled(rows=0))
    assert source.read(0).is_empty
    source.filled = Filled(rows=2)
    assert source.read(0).blocks[0].ids.tolist() == [1, 2]
    source.filled = Filled(rows=0, ended=True)
    reading = source.read(0)
    assert (reading.blocks, reading.ended) == ([], True)


def test_a_form_may_be_made_by_the_object() -> None:
    class Sized(Says):
        def __init__(self, rows: int) -> None:
            super().__init__(Filled(rows=rows))
            self._form = layout_of(rows, keyed=False)

        @property
        def form(self) -> Form:  # type: ignore[override]  # what its base has as an attribute
            return self._form

    block = Sized(9).read(3).blocks[0]
    assert (len(block), block.keys, block.timestamps.tolist()) == (9, None, [3] * 9)


@pytest.mark.parametrize(
    ("filled", "says"),
    [
        (Filled(rows=3), "3 rows filled of 2"),
        (Filled(rows=-1), "-1 rows filled of 2"),
        (Filled(rows=2, kind=Kind.START), "2 rows filled of 1"),
        (Filled(rows=2, metadata=[{}]), "2 rows filled, with 1 metadata"),
        (Filled(rows=1, metadata=[{"text": "x" * METADATA_BYTES}]), "reserve fewer rows"),
    ],
)
def test_what_cannot_be_is_refused(filled: Filled, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Says(filled).read(0)


def test_metadata_are_of_what_may_travel() -> None:
    with pytest.raises(ResultTypeError):
        Says(Filled(rows=1, metadata=[{"lock": object()}])).read(0)
