"""The event builder: blocks of several streams go in, batches of events come out.

It is pure: time comes in as an argument, and it never waits. It answers for every message until that is part of an
event or in another account.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from penstock.core.block import Block
from penstock.core.decoder import Traits
from penstock.core.event import EventBatch, PartColumn
from penstock.core.inlet import Inlet, Phase
from penstock.core.join_rule import JoinRule, make_inlet, make_join
from penstock.core.ledger import Account, Ledger
from penstock.core.map_addition import MapAddition
from penstock.core.message import Kind
from penstock.core.partial import count_partial
from penstock.core.timestamp import NS_PER_S
from penstock.core.tracker import Run
from penstock.core.trigger_map import TriggerMap

__all__ = ["WENT_ON", "EventBuilder", "JoinRule"]

WENT_ON = "went on without"
"""What is remarked of a stream that others waited for in vain."""

NO_NUMBER = -1
"""The number of a start event and of an end event, which have none."""


class EventBuilder:
    """Form the events of one join.

    Parameters
    ----------
    name
        Of the join.
    streams
        Names and traits, in the order of an event's parts; by timestamp the first gives the events.
    rule
        By what they belong together.
    ledger
        Where every message is accounted.
    trigger_map
        The trigger map, if the rule is ``trigger-map``.
    """

    trouble = ""
    """Why it ended before its end; never, live."""

    def __init__(
        self,
        name: str,
        streams: Mapping[str, Traits],
        rule: JoinRule,
        ledger: Ledger,
        trigger_map: TriggerMap | None = None,
    ) -> None:
        self.name = name
        self.rule = rule
        self.trigger_map = trigger_map
        self._wait_ns = round(rule.wait_s * NS_PER_S)
        entries = [ledger.entry(stream, name) for stream in streams]
        self._join = make_join(name, tuple(streams), entries, rule, trigger_map)
        self._is_wrapped = trigger_map is None or trigger_map.wrap
        self._inlets = {
            stream: make_inlet(stream, traits, entry, rule, trigger_map, self._is_wrapped)
            for (stream, traits), entry in zip(streams.items(), entries, strict=True)
        }
        self._order = list(self._inlets.values())
        for place, inlet in enumerate(self._order):
            inlet.place = place
        self._is_started = False
        self._is_finished = False
        self._partial = 0
        self._since_ns: int | None = None
        self._followed: dict[int, int] = {}
        """By place, the highest number in the events that were followed."""

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return tuple(self._inlets)

    @property
    def is_finished(self) -> bool:
        """Whether the end event has come; nothing will follow."""
        return self._is_finished

    @property
    def formed(self) -> int:
        """Events formed so far."""
        return self._join.formed

    @property
    def next_number(self) -> int:
        """Above the numbers of all events formed so far, which have holes where events were dropped."""
        return self._join.next_number

    @property
    def partial(self) -> int:
        """Events that were formed without a part they should have."""
        return self._partial

    @property
    def unformed(self) -> int:
        """Planned events that were never formed; 0 without a plan, or while the run goes on."""
        planned = None if self.trigger_map is None else self.trigger_map.planned
        return max(0, planned - self.formed) if planned is not None and self._is_finished else 0

    def pending(self, stream: str) -> int:
        """Return how many messages of a stream are here and not accounted for."""
        index = self.streams.index(stream)
        return self._order[index].pending + self._join.pending(index)

    def handle(self, block: Block, now: int) -> Sequence[EventBatch]:
        """Take a block of any of the streams.

        Parameters
        ----------
        block
            Its ``stream`` must be one of the join's.
        now
            Nanoseconds of any clock that never goes back.
        """
        inlet = self._inlets[block.stream]
        inlet.entry.arrive(len(block.ids))
        if inlet.phase is Phase.RUNNING and block.kind is Kind.DATA and self._is_started:
            self._note_arrival(inlet, now)
            self._add(inlet, inlet.admit(block, now))
            if not inlet.is_full:  # neither can it begin now, nor end
                self._join.reached[inlet.place] = inlet.reached
                return self._formed()
        elif inlet.phase is Phase.ENDED:
            inlet.entry.post(Account.DISCARDED, len(block), "came after the end")
        elif inlet.phase is Phase.WAITING and block.kind is not Kind.START:
            what = "an end before the start" if block.kind is Kind.END else "before the start"
            inlet.entry.post(Account.LATE, len(block), f"{what}: left over from an earlier scan")
        else:
            self._note_arrival(inlet, now)
            self._admit(inlet, block, now)
        return self._advance()

    def close(self, stream: str) -> list[EventBatch]:
        """Take it that a stream will give nothing more: its file ended or its connection closed."""
        inlet = self._inlets[stream]
        if inlet.phase is not Phase.ENDED:
            self._add(inlet, inlet.close())
        return self._advance()

    def extend(self, addition: MapAddition) -> list[EventBatch]:
        """Append to the open trigger map while the run goes on.

        Raises
        ------
        MapError
            If it does not fit the map; then nothing has changed.
        """
        assert self.trigger_map is not None, "only a join by trigger map can be extended"
        self.trigger_map.add(addition)
        for inlet in self._order:
            self._add(inlet, inlet.remap())
        return self._advance()

    def complete_map(self) -> list[EventBatch]:
        """Take it that nothing more will be appended to the trigger map, if there is one that is open."""
        is_open = self.trigger_map is not None and self.trigger_map.is_open
        return self.extend(MapAddition(is_last=True)) if is_open else []

    def tick(self, now: int) -> list[EventBatch]:
        """Let deadlines pass: give up what has been waited for long enough."""
        deadline = self.next_deadline()
        if deadline is None or deadline > now:
            return []
        self._join.tick(now)
        waited_ns = now - self._wait_ns
        may_give_up = self.rule.incomplete != "wait" and self._since_ns is not None and self._since_ns <= waited_ns
        if may_give_up:
            self._give_up(waited_ns)
        if self._is_somebody_done() and self._last_ns() <= waited_ns:
            for inlet in self._order:
                if inlet.phase is not Phase.ENDED:
                    inlet.entry.remark("no end", f"nothing came for {self.rule.wait_s:g} s after others had ended")
                    self._add(inlet, inlet.close())
        return self._advance(must_start=may_give_up)

    def next_deadline(self) -> int | None:
        """Return when ``tick`` has something to do; ``None`` if only a message can change anything."""
        if self._is_finished or self._since_ns is None:
            return None
        deadlines = []
        if self.rule.incomplete != "wait":
            if not self._is_started:
                deadlines.append(self._since_ns)
            deadlines += self._missing_since()
        if self._is_somebody_done():
            deadlines.append(self._last_ns())
        due = self._join.next_due_ns()
        soonest = [moment + self._wait_ns for moment in deadlines] + ([] if due is None else [due])
        return min(soonest, default=None)

    def pass_over(self, block: Block) -> None:
        """Learn of a block that a run had before it goes on here: it is in an event, or in another account already."""
        self._inlets[block.stream].pass_over(block)

    def follow(self, batch: EventBatch) -> None:
        """Learn which events a run had before it goes on here; in their order, before anything is handled."""
        if batch.kind is Kind.START:
            self._is_started = True
        elif batch.kind is Kind.END:
            self._is_finished = True
            for inlet in self._order:
                inlet.phase = Phase.ENDED
        else:
            self._join.follow(batch)
            for inlet, part in zip(self._order, batch.parts, strict=True):
                if self.rule.by in ("order", "trigger-map"):
                    self._followed[inlet.place] = int(batch.numbers[-1])
                elif part.size:
                    self._followed[inlet.place] = inlet.last_number(part)

    def go_on(self) -> None:
        """Begin behind everything that was followed."""
        for place, number in self._join.floors(self._followed).items():
            self._order[place].begin_behind(number)

    def stop(self) -> list[EventBatch]:
        """Take it that no stream will give anything more, nor the map grow, and form what can be formed."""
        return [*self.complete_map(), *(batch for stream in self._inlets for batch in self.close(stream))]

    def abort(self) -> None:
        """Give up everything that is here."""
        self._join.abort()
        for inlet in self._order:
            inlet.abort()
        self._is_finished = True

    def _note_arrival(self, inlet: Inlet, now: int) -> None:
        inlet.last_ns = now
        if self._since_ns is None:
            self._since_ns = now

    def _admit(self, inlet: Inlet, block: Block, now: int) -> None:
        if self._is_wrapped and block.kind is Kind.START:
            self._begin(inlet, block)
        elif self._is_wrapped and block.kind is Kind.END:
            inlet.end = block.take(slice(0, 1))
            if len(block) > 1:
                inlet.entry.post(Account.DISCARDED, len(block) - 1, "another end")
        else:
            self._add(inlet, inlet.admit(block, now))
        if block.kind is Kind.END:
            self._add(inlet, inlet.close())

    def _begin(self, inlet: Inlet, block: Block) -> None:
        surplus = len(block)
        if inlet.start is None and not self._is_started:
            inlet.start = block.take(slice(0, 1))
            inlet.phase = Phase.RUNNING
            surplus -= 1
        elif inlet.phase is Phase.WAITING:
            inlet.phase = Phase.RUNNING
            inlet.entry.post(Account.LATE, 1, "the start event had gone")
            surplus -= 1
        if surplus:
            inlet.entry.post(Account.DISCARDED, surplus, "another start within the run")

    def _add(self, inlet: Inlet, runs: Iterable[Run]) -> None:
        waiting = self._join.waiting[inlet.place]
        for run in runs:
            waiting.add(run)

    def _advance(self, must_start: bool = False) -> list[EventBatch]:
        """Form what can be formed now, start event first, end event last."""
        batches: list[EventBatch] = []
        if not self._is_started:
            if not must_start and any(inlet.phase is Phase.WAITING for inlet in self._order):
                return batches
            self._is_started = True
            batches.append(self._flagged(Kind.START))
        if self._is_finished:
            return batches
        for inlet in self._order:
            if not inlet.traits.has_end and inlet.phase is not Phase.ENDED and inlet.is_full:
                self._add(inlet, inlet.close())
        for inlet in self._order:
            self._join.reached[inlet.place] = inlet.reached
        batches += self._formed()
        if all(inlet.phase is Phase.ENDED and not inlet.unmapped for inlet in self._order):
            self._join.close()
            self._is_finished = True
            batches.append(self._flagged(Kind.END))
        return batches

    def _formed(self) -> Sequence[EventBatch]:
        """Form the events that every stream is beyond."""
        batches = self._join.form()
        if self.rule.by in ("order", "trigger-map"):
            self._partial += sum(count_partial(batch, self.trigger_map) for batch in batches)
        return batches

    def _flagged(self, kind: Kind) -> EventBatch:
        """Make the start event or the end event of what the streams said before and after their data."""
        parts = []
        for inlet in self._order:
            block = inlet.start if kind is Kind.START else inlet.end
            if block is not None:
                inlet.entry.post(Account.JOINED, len(block))
            parts.append(PartColumn(block=block, rows=slice(0, 1 if block is not None else 0)))
            if kind is Kind.START:
                inlet.start = None
            else:
                inlet.end = None
        numbers = np.array([NO_NUMBER], np.int64)
        return EventBatch(join=self.name, names=self.streams, numbers=numbers, parts=tuple(parts), kind=kind)

    def _is_somebody_done(self) -> bool:
        """Whether some stream has given all it will, and another has not."""
        is_done = [inlet.phase is Phase.ENDED or inlet.is_full for inlet in self._order]
        return any(is_done) and any(inlet.phase is not Phase.ENDED for inlet in self._order)

    def _last_ns(self) -> int:
        return max(inlet.last_ns for inlet in self._order)

    def _give_up(self, waited_ns: int) -> None:
        """Wait no longer for the streams that have been silent since then; one that lags, and comes, is waited for."""
        number = self._join.overdue(waited_ns)
        for inlet in self._order:
            if inlet.moved_ns > waited_ns:
                continue
            if number is not None:
                self._remark_missing(inlet, number)
                self._add(inlet, inlet.give_up(number))
            inlet.given_up_ns = max(inlet.given_up_ns, waited_ns)

    def _remark_missing(self, inlet: Inlet, number: int) -> None:
        """Name, once each time, that others go on without a stream."""
        if inlet.is_given_up or inlet.reached >= number or inlet.phase is Phase.ENDED:
            return
        others = [each.name for each in self._order if each is not inlet and self._join.waiting[each.place].count]
        if others:
            inlet.is_given_up = True
            detail = (
                f"nothing of {inlet.name} came for {self.rule.wait_s:g} s while {', '.join(others)} waited, whose "
                f"events went on without it; see whether it sends, or give {self.name} a larger wait_s"
            )
            inlet.entry.remark(WENT_ON, detail)

    def _missing_since(self) -> Iterator[int]:
        """Yield, for each stream, since when something waits for it and nothing of it has come."""
        oldest: dict[int, int | None] = {}
        for inlet in self._order:
            if inlet.phase is Phase.ENDED:
                continue
            if inlet.given_up_ns not in oldest:
                oldest[inlet.given_up_ns] = self._waiting_since(inlet.given_up_ns)
            since_ns = oldest[inlet.given_up_ns]
            if since_ns is not None:
                yield max(since_ns, inlet.moved_ns)

    def _waiting_since(self, after_ns: int) -> int | None:
        """Return when the first of what waits had arrived, of what arrived after a time."""
        found = [waiting.oldest_ns(after_ns) for waiting in self._join.waiting]
        found += [inlet.tracker.oldest_ns for inlet in self._order]
        return min((each for each in found if each is not None and each > after_ns), default=None)
