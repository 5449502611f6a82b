"""The event log of a run that is resumed: what of it still holds, and what need not be said again.

Pure functions of records; whoever reads or writes a log calls them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

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
from penstock.core.message import Kind

__all__ = ["Said", "ended_at", "held_records"]

_FAR = int(np.iinfo(np.int64).max)
MANY_RANGES = 64
"""More than the workers of a stage have under way, mostly; else they only remember otherwise than they did."""


def held_records(records: Iterable[LogRecord]) -> list[LogRecord]:
    """Return the records of a log without what stopped to hold when its run was resumed."""
    held: list[LogRecord] = []
    for record in records:
        if isinstance(record, RunResumed):
            held = [kept for each in held if (kept := _before(each, record)) is not None]
        held.append(record)
    return held


def ended_at(records: Iterable[LogRecord], stage: str) -> NDArray[np.int64]:
    """(n,), the numbers of what had ended at a stage and was under way no more when its log broke off, ascending.

    How something ended is in the log a little before the range that it was in. What ended and is in no range was under
    way still, unless many ranges follow: then its worker had died.
    """
    found: list[tuple[int, NDArray[np.int64]]] = []
    ranges = 0
    for record in records:
        if isinstance(record, EventsEnded) and record.consumer == stage:
            found.append((ranges, record.numbers))
        elif isinstance(record, RangeWorked) and record.stage == stage:
            ranges += 1
    ended = [numbers for at, numbers in found if ranges - at > MANY_RANGES]
    return np.unique(np.concatenate(ended)) if ended else np.empty(0, np.int64)


def _before(record: LogRecord, resumed: RunResumed) -> LogRecord | None:
    """Return what of a record holds, if anything does."""
    match record:
        case EventsFormed() if record.kind == Kind.DATA:
            stop = int(np.searchsorted(record.numbers, resumed.joins.get(record.join, _FAR)))
            return record if stop == len(record.numbers) else record.take(slice(0, stop)) if stop else None
        case EventsEnded():
            return _chosen(record, record.numbers < resumed.stages.get(record.consumer, _FAR))
        case RangeWorked():
            return _chosen(record, record.numbers < resumed.stages.get(record.stage, _FAR))
        case Ticked():
            return record if record.after < resumed.stages.get(record.stage, _FAR) else None
        case _:
            return record


def _chosen(record: EventsEnded | RangeWorked, rows: NDArray[np.bool_]) -> LogRecord | None:
    """Return some rows of a record, if there are any."""
    if rows.all():
        return record
    if not rows.any():
        return None
    if isinstance(record, EventsEnded):
        return replace(
            record, numbers=record.numbers[rows], accounts=record.accounts[rows], revisions=record.revisions[rows]
        )
    masks = record.masks[rows] if len(record.masks) else record.masks
    return replace(record, numbers=record.numbers[rows], masks=masks)


class Said:
    """What a log says already: a run that is resumed does it again, and must not say it again.

    Parameters
    ----------
    records
        Of the log, as far as they hold.
    """

    def __init__(self, records: Sequence[LogRecord]) -> None:
        self._formed: dict[str, int] = {}
        self._flags: set[tuple[str, int]] = set()
        ended: dict[tuple[str, ...], list[NDArray[np.int64]]] = defaultdict(list)
        self._revision = -1
        self._maps: set[str] = set()
        for record in records:
            match record:
                case EventsFormed() if record.kind == Kind.DATA:
                    self._formed[record.join] = int(record.numbers[-1])
                case EventsFormed():
                    self._flags.add((record.join, record.kind))
                case EventsEnded():
                    ended["ended", record.consumer].append(record.numbers)
                case RangeWorked():
                    ended["worked", record.stage, record.lane].append(record.numbers)
                case ParametersSet():
                    self._revision = max(self._revision, record.revision)
                case MapSet():
                    self._maps.add(record.join)
        self._numbers = {key: np.unique(np.concatenate(numbers)) for key, numbers in ended.items()}

    def rest(self, record: LogRecord) -> LogRecord | None:
        """Return what of a record is new; ``None`` if nothing is."""
        match record:
            case EventsFormed() if record.kind == Kind.DATA:
                last = self._formed.get(record.join, -1)
                return record if int(record.numbers[0]) > last else None  # it repeats whole records
            case EventsFormed():
                return None if (record.join, record.kind) in self._flags else record
            case EventsEnded():
                return self._new(("ended", record.consumer), record)
            case RangeWorked():
                return self._new(("worked", record.stage, record.lane), record)
            case ParametersSet():
                return record if record.revision > self._revision else None
            case MapSet():
                return record if record.is_addition or record.join not in self._maps else None
            case _:
                return record

    def _new(self, key: tuple[str, ...], record: EventsEnded | RangeWorked) -> LogRecord | None:
        known = self._numbers.get(key)
        if known is None or int(record.numbers[0]) > int(known[-1]):
            return record
        return _chosen(record, ~np.isin(record.numbers, known))
