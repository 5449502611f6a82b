"""What is laid down on a shelf and taken from it: whatever it is, however many places the other side has let go of."""

import mmap
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.services.strands.shelf import PLACE_BYTES, PLACES, SHARED_BYTES, Shelf, are_long, shelves
from penstock.wire.steps import Laid

WHOLE = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary()
LONG = st.integers(0, PLACE_BYTES).map(lambda length: b"x" * length)


@contextmanager
def both() -> Iterator[tuple[Shelf, Shelf]]:
    """Give the two ends of one shelf, and make sure that nobody holds its memory in the end."""
    with mmap.mmap(-1, SHARED_BYTES) as memory:
        ends = (*shelves(memory), *shelves(memory))
        yield ends[1], ends[3]
        for end in ends:
            end.close()


@given(st.lists(st.tuples(st.lists(WHOLE | LONG, min_size=1, max_size=4), st.booleans()), max_size=8))
def test_what_is_taken_is_what_was_laid_down(spans: list[tuple[list[Any], bool]]) -> None:
    with both() as (stage, worker):
        lying: deque[tuple[list[Any], Laid]] = deque()
        for values, is_told in spans:
            if (laid := stage.lay(values)) is not None:
                lying.append((values, laid))
                assert laid.place not in {other.place for _, other in list(lying)[:-1]}
            while lying and (is_told or len(lying) == PLACES):
                wanted, at = lying.popleft()
                assert worker.take(at, len(wanted)) == wanted
            stage.free(worker.news())
        for wanted, at in lying:
            assert worker.take(at, len(wanted)) == wanted


def test_what_does_not_lie_here_goes_another_way() -> None:
    with both() as (stage, worker):
        assert stage.lay([np.zeros(3)]) is None, "it is read as a view, which would change with the next"
        assert stage.lay([b"x" * PLACE_BYTES]) is None
        assert stage.lay(["x" * PLACE_BYTES]) is None
        assert stage.lay(["x"], bytes(PLACE_BYTES + 1)) is None
        laid = [stage.lay([b"x" * 9000, b"y" * 9000]) for _ in range(PLACES)]
        assert None not in laid
        assert stage.lay(["x"]) is None, "all places are taken"
        worker.skip(laid[0])  # type: ignore[arg-type]  # as it was found to be above
        stage.free(worker.news())
        assert worker.news() == []
        again = stage.lay(["x"])
        assert again == Laid(laid[0].place, len(b"\x91\xa1x")), "one is free again"  # type: ignore[union-attr]
        with pytest.raises(RemoteProtocolError):
            worker.take(again, 2)


def test_long_is_what_a_message_has_no_room_for() -> None:
    assert are_long([b"x" * 20_000] * 4)
    assert not are_long([b"x" * 20_000] * 2)
    assert not are_long(["x" * 100_000]), "text is longer than it says"
