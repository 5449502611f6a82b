"""One stream on its way into a join: whether its scan has begun and ended, which numbers its messages have."""

from collections.abc import Iterable, Iterator
from enum import Enum, auto

import numpy as np

from penstock.core.block import Block, pick
from penstock.core.decoder import Traits
from penstock.core.event import PartColumn
from penstock.core.join import FAR, NEVER
from penstock.core.ledger import Account, Entry
from penstock.core.message import Kind
from penstock.core.numbering import Numbering
from penstock.core.tracker import Run, Tracker
from penstock.core.trigger_map import TriggerMap

__all__ = ["Inlet", "Phase"]


class Phase(Enum):
    """Where a stream is in its scan."""

    WAITING = auto()
    """Its start has not come."""
    RUNNING = auto()
    ENDED = auto()
    """Nothing will come any more."""


class Inlet:
    """One stream on its way into a join.

    Parameters
    ----------
    traits
        What the instrument says of itself; one that announces no start is running at once.
    trigger_map
        Turns places into event numbers, and says how many there are.
    """

    def __init__(
        self,
        name: str,
        entry: Entry,
        traits: Traits,
        numbering: Numbering,
        tracker: Tracker,
        trigger_map: TriggerMap | None,
    ) -> None:
        self.name = name
        self.entry = entry
        self.traits = traits
        self.tracker = tracker
        self.phase = Phase.WAITING if traits.has_start else Phase.RUNNING
        self.start: Block | None = None
        """What the instrument said before its data, until it is part of the start event."""
        self.end: Block | None = None
        """What the instrument said after its data, until it is part of the end event."""
        self.last_ns = 0
        """When something arrived last; 0 for never."""
        self.moved_ns = -1
        """When a message arrived last whose number is above all before, be it too late for its event; -1 for never."""
        self.given_up_ns = -1
        """Nobody waits for it any more of what arrived up to then."""
        self.is_given_up = False
        """Whether others went on without it, and it has not moved since."""
        self.place = 0
        """Of the stream in its join, from 0."""
        self._numbering = numbering
        self._map = trigger_map
        self.unmapped: list[Run] = []
        """What came before the open map has grown to it, with places instead of event numbers."""
        self._given_up = NEVER
        self._highest = NEVER

    @property
    def pending(self) -> int:
        """Messages that are here and not in the join yet."""
        kept = sum(len(run.numbers) for run in self.unmapped)
        return self.tracker.held + kept + (self.start is not None) + (self.end is not None)

    @property
    def reached(self) -> int:
        """The highest number below which, and with which, nothing will come any more."""
        return max(self._given_up, self._next_place())

    def admit(self, block: Block, now: int) -> Iterable[Run]:
        """Take data; return what the join can have, with the join's numbers."""
        numbers = self._numbering.numbers(block)
        if len(numbers) and (last := int(numbers[-1])) > self._highest:
            self._highest, self.moved_ns, self.is_given_up = last, now, False
        runs = self.tracker.admit(block, slice(0, len(block.ids)), numbers, now)
        return runs if self._map is None else (mapped for run in runs for mapped in self._mapped(run))

    def give_up(self, number: int) -> Iterator[Run]:
        """Wait no longer for anything up to a number."""
        place = number if self._map is None else self._map.positions_up_to(self.name, number) - 1
        for run in self.tracker.give_up(place) if place >= 0 or self._map is None else ():
            yield from self._mapped(run)
        self._given_up = max(self._given_up, number)

    def pass_over(self, block: Block) -> None:
        """Learn what came before a run goes on, so that what comes is numbered on from there."""
        if block.kind is Kind.START:
            self.phase = Phase.RUNNING
        elif block.kind is Kind.DATA and self.phase is Phase.RUNNING:
            self._numbering.numbers(block)

    def last_number(self, part: PartColumn) -> int:
        """Return the number of the last message of a part, in a join by key or timestamp."""
        assert part.block is not None, "an absent part has no number"
        last = part.rows.stop - 1 if isinstance(part.rows, slice) else int(part.rows[-1])
        return int(self._numbering.numbers(part.block.take(slice(last, last + 1)))[0])

    def begin_behind(self, number: int) -> None:
        """Take it that everything up to a number has gone."""
        place = number if self._map is None else self._map.positions_up_to(self.name, number) - 1
        if place >= 0 or self._map is None:
            self.tracker.begin_behind(place)
        self._given_up = max(self._given_up, number)

    def close(self) -> Iterator[Run]:
        """Take it that nothing more will come."""
        for run in self.tracker.flush():
            yield from self._mapped(run)
        self.phase = Phase.ENDED

    def abort(self) -> None:
        """Give up everything that is here."""
        self.entry.post(Account.ABORTED, self.pending)
        self.tracker.clear()
        self.unmapped, self.start, self.end = [], None, None
        self.phase = Phase.ENDED

    def remap(self) -> Iterator[Run]:
        """Yield what waited for the map to grow."""
        waiting, self.unmapped = self.unmapped, []
        for run in waiting:
            yield from self._mapped(run)

    @property
    def is_full(self) -> bool:
        """Whether the stream has given as many messages as the map has for it, and will have."""
        return self._map is not None and not self._map.is_open and self._next_place() == FAR

    def _next_place(self) -> int:
        if self.phase is Phase.ENDED:
            return FAR if self._map is None or not self._map.is_open else (self._map.length or 0) - 1
        last = self.tracker.last
        if self._map is None:
            return NEVER if last is None else last - self.tracker.many
        place = 0 if last is None else last + 1
        count = self._map.count(self.name)
        if count is None or place < count:
            return int(self._map.numbers(self.name, np.array([place]))[0]) - 1
        return (self._map.length or 0) - 1 if self._map.is_open else FAR

    def _mapped(self, run: Run) -> Iterator[Run]:
        """Turn places into event numbers; what the map has no event for is discarded, or waits for it to grow."""
        if self._map is None:
            yield run
            return
        count = self._map.count(self.name)
        known = len(run.numbers) if count is None else int(np.searchsorted(run.numbers, count))
        if known == len(run.numbers):
            yield Run(run.block, run.rows, self._map.numbers(self.name, run.numbers), run.arrived_ns)
            return
        surplus = Run(run.block, pick(run.rows, slice(known, None)), run.numbers[known:], run.arrived_ns)
        if self._map.is_open:
            self.unmapped.append(surplus)
        else:
            n = len(surplus.numbers)
            self.entry.post(Account.DISCARDED, n, f"the map has {count} messages of {self.name}, {n} more came")
        if known:
            rows, places = pick(run.rows, slice(0, known)), run.numbers[:known]
            yield Run(run.block, rows, self._map.numbers(self.name, places), run.arrived_ns)
