"""Join streams on equal numbers: keys, indices, or the event numbers of a trigger map."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from penstock.core.ascending import is_same
from penstock.core.block import Rows, pick
from penstock.core.event import EventBatch, PartColumn
from penstock.core.join import Incomplete, Join
from penstock.core.ledger import Account, Entry
from penstock.core.tracker import Run
from penstock.core.trigger_map import TriggerMap

__all__ = ["NumberJoin"]

NEVER_CAME = "the rest of their events never came"


class NumberJoin(Join):
    """Form one event of all messages that have the same number.

    An event is formed once every stream is beyond its number, so events come in the order of their numbers and do not
    depend on which stream was faster.

    Parameters
    ----------
    is_renumbered
        Give events numbers from 0 without gaps, because the joined numbers are an instrument's.
    ranges
        Streams that may have several messages of one number; the event's part is all of them.
    trigger_map
        Says which streams an event needs, and what is discarded.
    """

    def __init__(
        self,
        name: str,
        streams: Sequence[str],
        entries: Sequence[Entry],
        incomplete: Incomplete,
        *,
        is_renumbered: bool = False,
        ranges: AbstractSet[str] = frozenset(),
        trigger_map: TriggerMap | None = None,
    ) -> None:
        super().__init__(name, streams, entries, incomplete)
        self._is_renumbered = is_renumbered
        self._ranged = tuple(stream in ranges for stream in streams)
        self._is_ranged = any(self._ranged)
        self._map = trigger_map
        self._limit: int | None = None
        """Up to which number everything was formed."""

    def floors(self, followed: Mapping[int, int]) -> dict[int, int]:
        """Return the number of the last event for all streams: what comes below it now is late."""
        return dict.fromkeys(range(len(self.streams)), max(followed.values())) if followed else {}

    def form(self) -> Sequence[EventBatch]:
        """Return the events whose number every stream is beyond."""
        limit = min(self.reached)
        if limit == self._limit:  # what comes is above what its stream had reached, and so is nothing new below
            return ()
        self._limit = limit
        formed: list[EventBatch] = []
        while (aligned := self._aligned(limit)) is not None:
            formed.append(aligned)
        while any(waiting.count for waiting in self.waiting):
            heads = [waiting.head for waiting in self.waiting]
            stop = min(limit, *[int(head[-1]) for head in heads if len(head)])
            counts = [_up_to(head, stop) for head in heads]
            if not any(counts):
                break
            batch = self._form(counts, stop)
            if batch is not None:
                formed.append(batch)
        return formed

    def _aligned(self, limit: int) -> EventBatch | None:
        """Form the events of whole blocks, one a stream, that have the same numbers, as those of most scans do."""
        runs: list[Run] = []
        for waiting in () if self._is_ranged else self.waiting:
            run = waiting.whole
            if run is None or (runs and not is_same(runs[0].numbers, run.numbers)):
                return None
            runs.append(run)
        if not runs or (last := int(runs[0].numbers[-1])) > limit:
            return None
        numbers = runs[0].numbers
        if self._map is not None and not self._map.is_full(int(numbers[0]), last):
            return None
        for waiting in self.waiting:
            waiting.drop_whole()
        return self._whole(runs)

    def overdue(self, arrived_ns: int) -> int | None:
        """Return the highest number that arrived by then."""
        found = [last for last in (waiting.last_before(arrived_ns) for waiting in self.waiting) if last is not None]
        return max(found, default=None)

    def _form(self, counts: Sequence[int], stop: int) -> EventBatch | None:
        runs = [self._take(stream, count, stop) for stream, count in enumerate(counts)]
        there = [run for run in runs if run is not None]
        if self._is_ranged or len(there) < len(runs):
            return self._form_uneven(runs)
        is_full = self._map is None or self._map.is_full(int(there[0].numbers[0]), stop)
        if is_full and self._is_same(there):
            return self._whole(there)
        if self.incomplete == "drop" and self._map is None:
            return self._form_common(there)
        return self._form_uneven(runs)

    def _whole(self, runs: Sequence[Run]) -> EventBatch:
        """Form events that lack nothing."""
        numbers = runs[0].numbers
        for entry in self.entries:
            entry.post(Account.JOINED, len(numbers))
        return self._number(numbers, [PartColumn(block=run.block, rows=run.rows) for run in runs], runs)

    def _take(self, stream: int, count: int, stop: int) -> Run | None:
        waiting = self.waiting[stream]
        if not self._ranged[stream]:
            return waiting.take_head(count) if count else None
        return waiting.take(_up_to(waiting.numbers(), stop))

    @staticmethod
    def _is_same(runs: Sequence[Run]) -> bool:
        return all(is_same(run.numbers, runs[0].numbers) for run in runs[1:])

    def _form_common(self, runs: Sequence[Run]) -> EventBatch | None:
        """Form the events that lack nothing, and give up all other messages."""
        base = min(runs, key=lambda run: len(run.numbers))
        whole = slice(0, len(base.numbers))
        found = [(whole, None) if run is base else _places(run.numbers, base.numbers) for run in runs]
        missing = [is_there for _, is_there in found if is_there is not None]
        formed: Rows = np.flatnonzero(np.logical_and.reduce(missing)) if missing else whole
        numbers = base.numbers[formed]
        parts = []
        for stream, (run, (places, _)) in enumerate(zip(runs, found, strict=True)):
            self.post(stream, Account.JOINED, len(numbers))
            self.post(stream, Account.INCOMPLETE, len(run.numbers) - len(numbers), NEVER_CAME)
            parts.append(PartColumn(block=run.block, rows=pick(run.rows, _as_rows(pick(places, formed)))))
        return self._number(numbers, parts, runs) if len(numbers) else None

    def _form_uneven(self, runs: Sequence[Run | None]) -> EventBatch | None:
        """Form events of which some lack a part."""
        numbers, present = _union([None if run is None else run.numbers for run in runs])
        is_formed = self._is_formed(numbers, present)
        events = numbers if is_formed is None else numbers[is_formed]
        parts = []
        for stream, (run, there) in enumerate(zip(runs, present, strict=True)):
            chosen = None
            if run is not None and is_formed is not None:
                # One message a number: those that are there, in order. To search for each takes ten times as long.
                chosen = is_formed[np.searchsorted(numbers, run.numbers) if self._ranged[stream] else there]
            parts.append(self._part(stream, run, chosen, events, there if is_formed is None else there[is_formed]))
        if not len(events) or all(part.block is None for part in parts):
            self.formed += len(events)
            return None
        return self._number(events, parts, runs)

    def _is_formed(self, numbers: NDArray[np.int64], present: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_] | None:
        """(n,), which events are formed; ``None`` for all."""
        if self.incomplete != "drop":
            return None
        complete = np.ones(len(numbers), np.bool_)
        for stream, there in zip(self.streams, present, strict=True):
            complete &= there if self._map is None else there | ~self._map.expected(stream, numbers)
        return None if complete.all() else complete

    def _part(
        self,
        stream: int,
        run: Run | None,
        chosen: NDArray[np.bool_] | None,
        events: NDArray[np.int64],
        there: NDArray[np.bool_],
    ) -> PartColumn:
        """Choose a stream's rows for the events that are formed, and account for all of them."""
        if run is None:
            return PartColumn(block=None)
        rows, own = run.rows, run.numbers
        if chosen is not None:
            dropped = len(chosen) - int(chosen.sum())
            self.post(stream, Account.INCOMPLETE, dropped, NEVER_CAME)
            rows, own = pick(rows, np.flatnonzero(chosen)), own[chosen]
        if self._map is not None:
            kept = self._map.kept(self.streams[stream], own)
            if not kept.all():
                self.post(stream, Account.DISCARDED, int((~kept).sum()))
                rows, own = pick(rows, np.flatnonzero(kept)), own[kept]
                there = there & self._map.kept(self.streams[stream], events)
        self.post(stream, Account.JOINED, len(own))
        if not len(own):
            return PartColumn(block=None)
        if self._ranged[stream]:
            counts = np.searchsorted(own, events, "right") - np.searchsorted(own, events, "left")
            return PartColumn(block=run.block, rows=rows, counts=counts)
        return PartColumn(block=run.block, rows=rows, present=None if len(own) == len(events) else there)

    def _number(
        self, numbers: NDArray[np.int64], parts: Sequence[PartColumn], runs: Sequence[Run | None]
    ) -> EventBatch:
        if self._is_renumbered:
            numbers = np.arange(self.formed, self.formed + len(numbers))
        return self.batch(numbers, parts, min([run.arrived_ns for run in runs if run is not None]))


def _up_to(numbers: NDArray[np.int64], stop: int) -> int:
    """Return how many of ascending numbers are not above ``stop``."""
    if not len(numbers) or numbers[-1] <= stop:
        return len(numbers)
    if numbers[0] > stop:  # which may be below int64
        return 0
    return int(np.searchsorted(numbers, stop, "right"))


def _places(numbers: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_] | None]:
    """Return where wanted numbers stand among others, both ascending, and which are there; ``None``: all are."""
    first, last = int(numbers[0]), int(numbers[-1])
    if last - first == len(numbers) - 1:
        is_within = first <= int(wanted[0]) and int(wanted[-1]) <= last
        return (wanted - first).astype(np.intp), None if is_within else (first <= wanted) & (wanted <= last)
    places = np.searchsorted(numbers, wanted)
    is_there = numbers[np.minimum(places, len(numbers) - 1)] == wanted
    return places, None if is_there.all() else is_there


def _as_rows(places: Rows) -> Rows:
    """Return a slice where places follow each other."""
    if isinstance(places, slice):
        return places
    n = len(places)
    return slice(int(places[0]), int(places[0]) + n) if n and int(places[-1]) - int(places[0]) == n - 1 else places


def _union(
    runs: Sequence[NDArray[np.int64] | None],
) -> tuple[NDArray[np.int64], list[NDArray[np.bool_]]]:
    """Return all numbers that occur in any of several ascending runs, and for each run which of them it has."""
    found = [run for run in runs if run is not None]
    low, high = min(int(run[0]) for run in found), max(int(run[-1]) for run in found)
    span = high - low + 1
    if span > 8 * sum(len(run) for run in found):
        numbers = np.unique(np.concatenate(found))
        return numbers, [np.zeros(len(numbers), np.bool_) if run is None else np.isin(numbers, run) for run in runs]
    # Where numbers lie close, a table of the whole span is several times faster than sorting and searching.
    tables = np.zeros((len(runs), span), np.bool_)
    for table, run in zip(tables, runs, strict=True):
        if run is not None:
            table[run - low] = True
    places = np.flatnonzero(tables.any(axis=0))
    return places + low, list(tables if len(places) == span else tables[:, places])
