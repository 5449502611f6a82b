"""The event log as it grows: what batches were made of can be told from it alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.block import Block
from penstock.core.event import EventBatch, PartColumn
from penstock.core.event_log import EventLog
from penstock.core.log_records import EventsEnded, EventsFormed, RangeWorked, RunEnded
from penstock.core.message import Message
from penstock.errors import StateError


def block_of(ids: list[int]) -> Block:
    return Block.of("x", [Message(id=number) for number in ids or [1]])


@given(
    st.lists(st.lists(st.integers(1, 9), max_size=4), max_size=6), st.lists(st.none() | st.integers(1, 99), max_size=6)
)
def test_the_ids_of_every_part(ranges: list[list[int]], singles: list[int | None]) -> None:
    n = min(len(ranges), len(singles))
    ranges, singles = ranges[:n], singles[:n]
    # ids of a range ascend, from the steps drawn: all ones make it consecutive
    ids = np.cumsum([step for part in ranges for step in part]).tolist()
    ends = np.cumsum([0, *map(len, ranges)]).tolist()
    batch = EventBatch(
        join="scan", names=("encoder", "image", "none"), numbers=np.arange(n),
        parts=(
            PartColumn(
                block=block_of(ids), rows=slice(0, len(ids)), counts=np.array([len(r) for r in ranges], np.intp)
            ),
            PartColumn(
                block=block_of([k for k in singles if k is not None]),
                rows=np.arange(n - singles.count(None)),
                present=np.array([k is not None for k in singles], np.bool_),
            ),
            PartColumn(block=None),
        ),
    )  # fmt: skip
    record = EventsFormed.of(batch)
    for row in range(n):
        assert record.ids_of("encoder", row).tolist() == ids[ends[row] : ends[row + 1]]
        assert record.ids_of("image", row).tolist() == [k for k in [singles[row]] if k is not None]
        assert record.ids_of("none", row).tolist() == []


def test_consecutive_ranges_need_no_ids_of_their_own() -> None:
    column = PartColumn(block=block_of([4, 5, 6, 9, 11]), rows=slice(0, 5), counts=np.array([3, 2], np.intp))
    record = EventsFormed.of(EventBatch(join="scan", names=("a",), numbers=np.arange(2), parts=(column,)))
    assert record.counts.tolist() == [[3, -2]]
    assert record.ids.tolist() == [9, 11]


def test_records_are_handed_over_once_and_in_order() -> None:
    log = EventLog()
    formed = EventsFormed.of(EventBatch(join="scan", names=(), numbers=np.arange(3), parts=()))
    worked = RangeWorked(stage="fit", worker="fit-0", began_ns=0, took_ns=1, numbers=np.arange(3))
    ended = EventsEnded(
        consumer="fit", numbers=np.arange(3), accounts=np.zeros(3, np.uint8), revisions=np.zeros(3, np.uint32)
    )
    for record in (formed, worked, ended):
        log.append(record)
    assert len(log) == 3
    assert log.take() == [formed, worked, ended]
    assert log.take() == []
    assert (log.formed, log.ranges, log.ended) == (3, 1, 3)


def test_nothing_comes_after_the_end() -> None:
    log = EventLog()
    log.append(RunEnded(outcome="finished"))
    with pytest.raises(StateError, match="a RunEnded after the end of the run"):
        log.append(RunEnded(outcome="failed"))
