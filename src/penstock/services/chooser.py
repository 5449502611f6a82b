"""Which items a sink is to write, by a field of a stage's results: they are held until the result is known.

A pure object: it is told what comes, in any order of items and results, and gives items back in theirs.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.event import EventBatch
from penstock.core.message import Kind
from penstock.core.result_range import ResultRange
from penstock.elements.item_field import field_of
from penstock.services.flow import Flow, items_of, kind_of, numbers_of, with_values

__all__ = ["Chooser", "Chosen", "messages_of"]

UNKNOWN: Final = -1


@dataclass(slots=True)
class _Held:
    mark: int
    flow: Flow
    numbers: NDArray[np.int64]
    wanted: NDArray[np.int8]
    """(n,), 0 or 1, ``UNKNOWN`` before the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What has become of one flow."""

    mark: int
    """That was given with it."""
    given: Flow
    """As it came."""
    flow: Flow | None
    """The items that are wanted; ``None`` if none is."""
    filtered: int
    """How many are not."""


class Chooser:
    """Holds the flows of one sink.

    Parameters
    ----------
    field
        Of the results: what is true is written; false, absent or no result is not.
    part
        Of events: the stream whose messages are wanted; empty for whole events.
    """

    def __init__(self, field: str, part: str = "") -> None:
        self._field, self._part = field, part
        self._held: deque[_Held] = deque()
        self._early: dict[int, bool] = {}
        """Results of what has not come yet, by number."""

    def hold(self, mark: int, flow: Flow) -> None:
        """Take a flow."""
        is_data = kind_of(flow) is Kind.DATA
        numbers = numbers_of(flow) if is_data else np.empty(0, np.int64)
        wanted = np.full(len(numbers), UNKNOWN, np.int8)
        if self._early and is_data:
            for row, number in enumerate(numbers.tolist()):
                if number in self._early:
                    wanted[row] = self._early.pop(number)
        self._held.append(_Held(mark, flow, numbers, wanted))

    def learn(self, results: Flow) -> None:
        """Take results; of events without one, a range without values."""
        if not isinstance(results, ResultRange):
            return
        wanted = np.zeros(len(results), np.int8)
        valued = with_values(results)
        for number, value in zip(numbers_of(valued).tolist(), items_of(valued), strict=True):
            wanted[results.numbers == number] = self._is_wanted(value)
        is_told = np.zeros(len(results), np.bool_)
        for held in self._held:
            rows = np.flatnonzero(np.isin(held.numbers, results.numbers))
            if len(rows):
                order = np.argsort(results.numbers, kind="stable")
                found = order[np.searchsorted(results.numbers, held.numbers[rows], sorter=order)]
                held.wanted[rows] = np.maximum(held.wanted[rows], wanted[found])
                is_told |= np.isin(results.numbers, held.numbers)
        for row in np.flatnonzero(~is_told).tolist():
            number = int(results.numbers[row])
            self._early[number] = self._early.get(number, False) or bool(wanted[row])

    def ready(self) -> Iterator[Chosen]:
        """Yield the flows of which all is known, in the order in which they came."""
        while self._held and not (self._held[0].wanted == UNKNOWN).any():
            held = self._held.popleft()
            rows = np.flatnonzero(held.wanted)
            is_data = kind_of(held.flow) is Kind.DATA
            flow = held.flow if not is_data or len(rows) == len(held.wanted) else held.flow.take(rows)
            yield Chosen(
                mark=held.mark,
                given=held.flow,
                flow=self._part_of(flow) if len(rows) or not is_data else None,
                filtered=len(held.wanted) - len(rows),
            )

    @property
    def first_held(self) -> int | None:
        """The mark of the first flow that is held."""
        return self._held[0].mark if self._held else None

    def _part_of(self, flow: Flow) -> Flow:
        """Return the messages of one stream of events, still under the events' numbers."""
        if not self._part or not isinstance(flow, EventBatch):
            return flow
        part = flow.parts[flow.names.index(self._part)]
        return EventBatch(
            join=flow.join, names=(self._part,), numbers=flow.numbers, parts=(part,), kind=flow.kind,
            arrived_ns=flow.arrived_ns,
        )  # fmt: skip

    def _is_wanted(self, value: Any) -> bool:
        try:
            found = field_of(value, self._field)
        except LookupError:
            return False
        return isinstance(found, bool | int | float | np.bool_ | np.number) and bool(found == found and found)


def messages_of(flow: Flow) -> Flow:
    """Return the messages of events that have one stream only, for sinks that know no events."""
    if not isinstance(flow, EventBatch) or len(flow.names) != 1 or flow.parts[0].block is None:
        return flow
    block: Block = flow.parts[0].block
    return block.take(flow.parts[0].rows)
