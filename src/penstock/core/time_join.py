"""Join streams on time: each message of the first stream is an event, and the others give what belongs to its time."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, concatenate, pick
from penstock.core.event import EventBatch, PartColumn
from penstock.core.join import FAR, NEVER, Incomplete, Join
from penstock.core.ledger import Account, Entry

__all__ = ["Rule", "TimeJoin"]

Rule = Literal["nearest", "hold", "range"]


class TimeJoin(Join):
    """Form one event of each message of the first stream.

    What another stream gives depends on its rule. ``nearest``: the message nearest in time, within the window, if the
    event is also the nearest to it; so no message belongs to two events. ``hold``: the latest message up to the
    event's time, kept for all events until a newer one comes. ``range``: all messages from the event's time until the
    next event's.

    Parameters
    ----------
    rules
        Of every stream but the first.
    window_ns
        How far a nearest message may be away.
    hold_wait_ns
        How long an event waits to see whether a newer held value comes.
    """

    def __init__(
        self,
        name: str,
        streams: Sequence[str],
        entries: Sequence[Entry],
        incomplete: Incomplete,
        *,
        rules: Mapping[str, Rule],
        window_ns: int,
        hold_wait_ns: int,
    ) -> None:
        super().__init__(name, streams, entries, incomplete)
        self._rules = tuple(rules[stream] for stream in streams[1:])
        self._window_ns = window_ns
        self._hold_wait_ns = hold_wait_ns
        self._hurried_ns = -1
        self._hurried = -FAR
        self._before: int | None = None
        self._passed: list[int | None] = [None] * len(streams)
        """The time of the last message that belongs to an event: others may be nearer to it than to any that waits."""
        self._held: list[Block | None] = [None] * len(streams)
        self._is_used = [False] * len(streams)
        self._is_booked = [False] * len(streams)
        """Whether what is held is in the books already: it was part of an event before the run went on."""

    def follow(self, batch: EventBatch) -> None:
        """Take note of events that were formed before; what they held goes on to hold."""
        super().follow(batch)
        for stream, (rule, part) in enumerate(zip(self._rules, batch.parts[1:], strict=True), 1):
            if rule == "hold" and part.block is not None and part.size:
                last = part.rows.stop - 1 if isinstance(part.rows, slice) else int(part.rows[-1])
                self._held[stream] = part.block.take(np.array([last]))  # a copy: whoever lent it needs the memory
                self._is_used[stream] = self._is_booked[stream] = True

    def floors(self, followed: Mapping[int, int]) -> dict[int, int]:
        """Return up to which time everything has gone: of what holds, what was held; else the last event's."""
        if 0 not in followed:
            return dict(followed)
        self._before = before = followed[0]
        found = {0: before}
        for stream, rule in enumerate(self._rules, 1):
            own = followed.get(stream, NEVER)
            self._passed[stream] = followed.get(stream)
            if rule == "hold":
                found |= {stream: own} if stream in followed else {}
            else:
                found[stream] = max(own, before if rule == "nearest" else before - 1)
        return found

    def form(self) -> Sequence[EventBatch]:
        """Return the events for which everything is decided."""
        formed: list[EventBatch] = []
        while len(self.waiting[0].head):
            times = self.waiting[0].head
            n = int(np.searchsorted(times, self._decided(), "right"))
            following = self.waiting[0].numbers()[: n + 1]
            if n == len(following) and "range" in self._rules and self.reached[0] < FAR:
                n -= 1
            n = min([n, *(self._ranges_known(stream, following, n) for stream in range(1, len(self.streams)))])
            if n <= 0:
                break
            batch = self._form(n)
            if batch is not None:
                formed.append(batch)
        return formed

    def overdue(self, arrived_ns: int) -> int | None:
        """Return the time of the last event that arrived by then, and what the window needs beyond it."""
        last = self.waiting[0].last_before(arrived_ns)
        return None if last is None else last + (2 * self._window_ns if "nearest" in self._rules else 0)

    def next_due_ns(self) -> int | None:
        """Return when the first event has waited long enough for newer held values."""
        oldest = self.waiting[0].oldest_ns(self._hurried_ns) if "hold" in self._rules else None
        return None if oldest is None else oldest + self._hold_wait_ns

    def tick(self, now: int) -> None:
        """Let the held values stand for events that have waited long enough."""
        last = self.waiting[0].last_before(now - self._hold_wait_ns)
        self._hurried_ns = max(self._hurried_ns, now - self._hold_wait_ns)
        if last is not None:
            self._hurried = max(self._hurried, last)

    def pending(self, stream: int) -> int:
        """Return how many messages of a stream wait here, the held one among them."""
        is_held = self._held[stream] is not None and not self._is_booked[stream]
        return super().pending(stream) + is_held

    def close(self) -> None:
        """Account for the held values, and for what no event came for."""
        self._release_held()
        for stream, waiting in enumerate(self.waiting):
            # A slow stream that goes on for longer is no part of an event that is missing: like what was replaced.
            is_slow = stream > 0 and self._rules[stream - 1] == "hold"
            account = Account.DROPPED if is_slow else Account.INCOMPLETE
            self.post(stream, account, waiting.count, "no event came for them")
            waiting.clear()

    def abort(self) -> None:
        """Give up everything that waits; a held value was used already."""
        self._release_held()
        super().abort()

    def _release_held(self) -> None:
        for stream, held in enumerate(self._held):
            if held is not None:
                self._post_replaced(stream)
                self._held[stream] = None

    def _decided(self) -> int:
        """Return the time up to which every stream has given what can matter."""
        limits = [self.reached[0]]
        for rule, reached in zip(self._rules, self.reached[1:], strict=True):
            if rule == "nearest":
                limits += [_less(reached, self._window_ns), _less(self.reached[0], 2 * self._window_ns)]
            elif rule == "hold":
                limits.append(max(reached, self._hurried))
        return max(min(limits), -FAR)

    def _ranges_known(self, stream: int, following: NDArray[np.int64], n: int) -> int:
        """Return how many of n events have their whole range."""
        if self._rules[stream - 1] != "range" or self.reached[stream] == FAR:
            return n
        return min(n, int(np.searchsorted(following[1:], self.reached[stream] + 1, "right")))

    def _form(self, n: int) -> EventBatch | None:
        later = self.waiting[0].numbers()[n:]
        run = self.waiting[0].take_head(n)
        times = run.numbers
        parts = [PartColumn(block=run.block, rows=run.rows)]
        parts += [self._part(stream, times, later) for stream in range(1, len(self.streams))]
        self._before = int(times[-1])
        formed = np.ones(n, np.bool_)
        if self.incomplete == "drop":
            for part in parts:
                formed &= part.presence(n)
        kept = [self._keep(stream, part, formed) for stream, part in enumerate(parts)]
        if not formed.any():
            return None
        return self.batch(np.arange(self.formed, self.formed + int(formed.sum())), kept, run.arrived_ns)

    def _keep(self, stream: int, part: PartColumn, formed: NDArray[np.bool_]) -> PartColumn:
        """Choose a stream's rows for the events that are formed; the others end as incomplete."""
        kept = part if formed.all() else part.take(np.flatnonzero(formed))
        if stream == 0 or self._rules[stream - 1] != "hold":
            joined, lost = kept.size, part.size - kept.size
            self.post(stream, Account.JOINED, joined)
            self.post(stream, Account.INCOMPLETE, lost, "another stream has nothing for their time")
        return kept

    def _part(self, stream: int, times: NDArray[np.int64], later: NDArray[np.int64]) -> PartColumn:
        rule = self._rules[stream - 1]
        if rule == "nearest":
            return self._nearest(stream, times, later)
        if rule == "hold":
            return self._hold(stream, times)
        return self._range(stream, times, later)

    def _nearest(self, stream: int, times: NDArray[np.int64], later: NDArray[np.int64]) -> PartColumn:
        waiting = self.waiting[stream]
        before = [] if self._before is None else [self._before]
        events = np.concatenate((np.array(before, np.int64), times, later))
        bound = int(later[0]) if len(later) else _more(self.reached[0], 1)
        passed = self._passed[stream]
        candidates = waiting.numbers()
        if not len(candidates):
            return PartColumn(block=None)
        if passed is not None:  # what is nearest to an event stays it when it is gone
            candidates = np.concatenate((np.array([passed], np.int64), candidates))
        near = _nearest(candidates, times)
        mutual = _nearest(events, candidates[near]) == np.arange(len(times)) + len(before)
        matched = mutual & (np.abs(candidates[near] - times) <= self._window_ns)
        hopeless = int(np.searchsorted(candidates, _less(bound, self._window_ns), "left"))
        if passed is not None:
            matched &= near > 0
            near, hopeless = near - 1, max(hopeless - 1, 0)
        if matched.any():
            self._passed[stream] = int(waiting.numbers()[near[matched][-1]])
        n = max(hopeless, int(near[matched][-1]) + 1 if matched.any() else 0)
        run = waiting.take(n)
        if run is None:
            return PartColumn(block=None)
        joined = int(matched.sum())
        self.post(stream, Account.INCOMPLETE, n - joined, "no event within the window" if n > joined else "")
        if not joined:
            return PartColumn(block=None)
        present = None if matched.all() else matched
        return PartColumn(block=run.block, rows=pick(run.rows, near[matched]), present=present)

    def _hold(self, stream: int, times: NDArray[np.int64]) -> PartColumn:
        waiting = self.waiting[stream]
        run = waiting.take(int(np.searchsorted(waiting.numbers(), times[-1], "right")))
        fresh = [] if run is None else [run.block.take(run.rows)]
        held = self._held[stream]
        blocks = [block for block in (held, *fresh) if block is not None]
        if not blocks:
            return PartColumn(block=None)
        block = concatenate(blocks)
        rows = np.searchsorted(block.timestamps, times, "right") - 1
        used = np.zeros(len(block), np.bool_)
        used[rows[rows >= 0]] = True
        if held is not None:
            used[0] |= self._is_used[stream]
        is_booked = self._is_booked[stream] and len(block) > 1
        self.post(stream, Account.JOINED, int(used[:-1].sum()) - is_booked)
        self.post(stream, Account.DROPPED, int((~used[:-1]).sum()), "replaced before an event used them")
        self._is_booked[stream] &= not is_booked
        self._held[stream] = block.take(slice(len(block) - 1, len(block)))
        self._is_used[stream] = bool(used[-1])
        present = rows >= 0
        return PartColumn(block=block, rows=rows[present], present=None if present.all() else present)

    def _post_replaced(self, stream: int) -> None:
        if not self._is_booked[stream]:
            self.post(stream, Account.JOINED if self._is_used[stream] else Account.DROPPED, 1)

    def _range(self, stream: int, times: NDArray[np.int64], later: NDArray[np.int64]) -> PartColumn:
        waiting = self.waiting[stream]
        numbers = waiting.numbers()
        end = int(later[0]) if len(later) else FAR
        starts = np.searchsorted(numbers, times, "left")
        stop = int(np.searchsorted(numbers, end, "left"))
        run = waiting.take(stop)
        if run is None:
            return PartColumn(block=None)
        before = int(starts[0])
        self.post(stream, Account.INCOMPLETE, before, "before the first event" if before else "")
        counts = np.diff(starts, append=stop)
        return PartColumn(block=run.block, rows=pick(run.rows, slice(before, stop)), counts=counts)


def _nearest(sorted_times: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.intp]:
    """(n,), which of the sorted times is nearest to each; the earlier one of two at the same distance."""
    right = np.clip(np.searchsorted(sorted_times, times, "left"), 1, max(len(sorted_times) - 1, 1))
    if len(sorted_times) == 1:
        return np.zeros(len(times), np.intp)
    is_left = times - sorted_times[right - 1] <= sorted_times[right] - times
    return np.where(is_left, right - 1, right).astype(np.intp)


def _less(number: int, by: int) -> int:
    return number if abs(number) >= FAR else number - by


def _more(number: int, by: int) -> int:
    return number if abs(number) >= FAR else number + by
