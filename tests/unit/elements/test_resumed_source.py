"""A source that goes on: what was recorded, then the source itself, with ids that go on."""

from collections.abc import Sequence

import pytest

from penstock.core import Message
from penstock.core.decoder import Traits
from penstock.elements.resumed_source import ResumedSource
from penstock.elements.source import Reading, Source


class Some(Source):
    """Messages with these keys, two a reading."""

    traits = Traits(number="n")

    def __init__(self, keys: Sequence[int], *, pollable: int | None = None, is_repeatable: bool = False) -> None:
        self._keys, self._pollable = list(keys), pollable
        self.is_repeatable = is_repeatable  # type: ignore[misc]  # of this one
        self.opened = self.closed = 0

    @property
    def pollable(self) -> int | None:
        return self._pollable

    def wait_s(self, now_ns: int) -> float | None:
        return 1.5

    def open(self) -> None:
        self.opened += 1

    def close(self) -> None:
        self.closed += 1

    def read(self, now_ns: int) -> Reading:
        found, self._keys = self._keys[:2], self._keys[2:]
        return self.reading([Message(key=key) for key in found], now_ns, ended=not self._keys, filtered=1)


def read(source: ResumedSource) -> list[tuple[int, int]]:
    """Return ids and keys of all there is."""
    found: list[tuple[int, int]] = []
    while True:
        reading = source.read(0)
        for block in reading.blocks:
            assert block.keys is not None
            found += zip(block.ids.tolist(), block.keys.tolist(), strict=True)
        if reading.ended:
            return found


def test_an_instrument_is_read_on_and_its_messages_numbered_on() -> None:
    live = Some([12, 13, 14], pollable=7)
    source = ResumedSource(recorded := Some([1, 2, 3]), live)
    source.stream = "a"
    source.open()
    assert (recorded.opened, live.opened) == (1, 1)  # at once: one that can wait does
    assert (source.is_repeatable, source.traits.number) == (False, "n")
    assert (source.is_catching_up, source.pollable, source.wait_s(0)) == (True, None, None)
    first = source.read(0)
    assert (first.ended, first.filtered) == (False, 0)
    assert read(source) == [(3, 3), (4, 12), (5, 13), (6, 14)]
    assert (source.is_catching_up, source.pollable, source.wait_s(0)) == (False, 7, 1.5)
    source.close()
    assert (recorded.closed > 0, live.closed) == (True, 1)


@pytest.mark.parametrize("n", [3, 4])
def test_what_repeats_itself_is_read_on_behind_what_was_recorded(n: int) -> None:
    keys = list(range(10, 17))
    source = ResumedSource(Some(keys[:n]), Some(keys, is_repeatable=True))
    source.stream = "a"
    source.open()
    assert read(source) == [(k + 1, key) for k, key in enumerate(keys)]


def test_a_successor_numbers_on_behind_its_predecessor() -> None:
    source = ResumedSource(Some([1, 2, 3]), Some([20]))
    source.stream, source.last_id = "a", 9
    source.open()
    assert read(source)[-1] == (10, 20)
