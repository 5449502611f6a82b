"""What of a log holds when its run was resumed, and what is not said in it twice."""

from typing import Any

import numpy as np

from penstock.core.event_log import EventLog
from penstock.core.log_records import (
    EventsEnded,
    EventsFormed,
    LogRecord,
    MapSet,
    ParametersSet,
    RangeWorked,
    RunResumed,
    Ticked,
)
from penstock.core.log_repeats import Said, ended_at, held_records
from penstock.core.message import Kind


def numbers(first: int, stop: int) -> Any:
    return np.arange(first, stop, dtype=np.int64)


def formed(first: int, stop: int, kind: Kind = Kind.DATA) -> EventsFormed:
    n = stop - first
    ids, counts = np.arange(first + 1, stop + 1, dtype=np.uint64)[None], np.ones((1, n), np.int32)
    return EventsFormed(
        join="scan", streams=("a",), kind=int(kind), numbers=numbers(first, stop), first_ids=ids, counts=counts
    )


def ended(first: int, stop: int) -> EventsEnded:
    n = stop - first
    return EventsEnded(
        consumer="fit", numbers=numbers(first, stop), accounts=np.zeros(n, np.uint8), revisions=np.zeros(n, np.uint32)
    )


def worked(first: int, stop: int, *, is_masked: bool = False) -> RangeWorked:
    masks = numbers(first, stop).astype(np.uint64) if is_masked else np.empty(0, np.uint64)
    return RangeWorked(stage="fit", worker="fit-0", began_ns=0, took_ns=1, numbers=numbers(first, stop), masks=masks)


def ticked(after: int) -> Ticked:
    return Ticked(stage="fit", worker="fit-0", now_ns=5, after=after)


def resumed(at: int) -> RunResumed:
    return RunResumed(resumed_ns=7, joins={"scan": at}, stages={"fit": at}, last_ids={"a": at})


def told(records: list[LogRecord]) -> list[Any]:
    return [(type(r).__name__, list(getattr(r, "numbers", [getattr(r, "after", -9)]))) for r in records]


def test_what_was_formed_of_messages_that_were_not_kept_holds_no_more() -> None:
    start = formed(-1, 0, Kind.START)
    before = [
        start,
        formed(0, 4),
        formed(4, 8),
        ended(0, 6),
        worked(0, 6, is_masked=True),
        worked(6, 8),
        ticked(3),
        ticked(6),
    ]
    after = [formed(5, 9), ended(5, 9)]
    held = held_records([*before, resumed(5), *after])
    assert told(held) == told(
        [start, formed(0, 4), formed(4, 5), ended(0, 5), worked(0, 5), ticked(3), resumed(5), *after]
    )
    (masked,) = (record for record in held if isinstance(record, RangeWorked))
    assert masked.masks.tolist() == [0, 1, 2, 3, 4]


def test_a_run_may_be_resumed_again() -> None:
    held = held_records([formed(0, 4), resumed(3), formed(3, 6), resumed(2), formed(2, 4)])
    assert told([record for record in held if isinstance(record, EventsFormed)]) == told([formed(0, 2), formed(2, 4)])


def test_what_was_said_is_not_said_again() -> None:
    values = ParametersSet(revision=1, first=2, values={"fit.gain": 2.0})
    known: list[LogRecord] = [
        formed(-1, 0, Kind.START), formed(0, 4), ended(0, 3), worked(0, 2), values, MapSet(join="scan", table=b"")
    ]  # fmt: skip
    log = EventLog(Said(known))
    for record in (
        *known, formed(4, 6), ended(2, 5), worked(0, 4), MapSet(join="scan", table=b"", is_addition=True),
        ParametersSet(revision=2, first=5, values={}), formed(-1, 0, Kind.END), ticked(3),
    ):  # fmt: skip
        log.append(record)
    assert told(log.take()) == [
        ("EventsFormed", [4, 5]), ("EventsEnded", [3, 4]), ("RangeWorked", [2, 3]), ("MapSet", [-9]),
        ("ParametersSet", [-9]), ("EventsFormed", [-1]), ("Ticked", [3]),
    ]  # fmt: skip


def test_what_ended_just_before_the_log_broke_off_was_under_way() -> None:
    assert ended_at([ended(0, 2), worked(0, 1)], "fit").tolist() == []
    assert ended_at([ended(0, 2), *(worked(k, k + 1) for k in range(2, 70)), ended(70, 72)], "fit").tolist() == [0, 1]
    assert ended_at([ended(0, 2)], "other").tolist() == []
