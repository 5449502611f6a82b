"""What every stage in one thread does: start and end go to its user code first, its books are kept by input."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.core import Account, Block, EventBatch, Kind, Ledger
from penstock.core.result import Result, ResultBatch
from penstock.core.result_range import ResultRange, stacked
from penstock.elements.instance import Instance
from penstock.pipeline.plan import StagePlan
from penstock.services.crew import Crew
from penstock.services.flow import Flow, Outlet, items_of, kind_of, lane_of, numbers_of, with_values
from penstock.services.user_calls import UserCalls

__all__ = ["StageRoom", "batch_for", "items_for"]


class StageRoom(ABC):
    """A stage's way in and out, its user code and its books.

    Parameters
    ----------
    instances
        Of user code, in the order in which hooks are called.
    returns
        Whether what user code returns is a result.
    """

    def __init__(self, plan: StagePlan, ledger: Ledger, instances: Iterable[Instance], *, returns: bool = True) -> None:
        self.name = plan.name
        self.outlet = Outlet(plan.name)
        made = tuple(instances)
        each = len(plan.code) if plan.kind == "map" else max(1, len(made))
        names = [(f"{plan.name}-{k // each}", k % each) for k in range(len(made))]
        self.crew = Crew(plan.name, made, names)
        self.calls = {
            producer: UserCalls(
                plan.name,
                ledger.entry(producer, plan.name),
                plan.on_error,
                returns=returns,
                trips=plan.trips,
                retry_s=plan.retry_s,
            )
            for _, producer in plan.inputs
        }
        """The books of user code, by input."""
        self._own_lanes = {producer: lane for lane, producer in plan.inputs}
        self._open = set(self.calls)

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a flow from one of the stage's inputs."""
        if kind_of(flow) is not Kind.DATA:
            self._flag(flow, producer)
            self.outlet.give([flow], now)
            return
        flow = with_values(flow)
        if len(flow):
            self.calls[producer].entry.arrive(len(flow))
            self._work(flow, producer, now)

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended; the stage ends with its last."""
        self._open.discard(producer)
        if not self._open:
            self.outlet.close(now)

    def _flag(self, flow: Flow, producer: str) -> None:
        """Call the hooks; an instrument's own header is a message like others, while a start event has no number."""
        counted = len(flow) if isinstance(flow, Block) and flow.stream == producer else 0
        entry = self.calls[producer].entry
        entry.arrive(counted)
        self.crew.flag(flow)
        entry.post(Account.DONE, counted)

    @property
    def pollable(self) -> int | None:
        """A file descriptor that can be read when `bring` has something; ``None`` if it never does by itself."""
        return None

    @property
    def holds(self) -> bool:
        """Whether something may come of what it was given when its inputs are closed, and only then."""
        return False

    @property
    def renumbers(self) -> bool:
        """Whether it numbers what it gives by itself, because that is not one for one of what it was given."""
        return False

    def bring(self, now: int) -> None:  # noqa: B027 - most have nothing by themselves
        """Give what user code has come up with by itself."""

    def finish(self) -> None:
        """Let user code close what it opened."""
        self.crew.close()

    @abstractmethod
    def _work(self, flow: Flow, producer: str, now: int) -> None:
        """Work on data, and give what comes of it."""

    def _lane(self, flow: Flow, producer: str) -> str:
        """Return by which lane results of a flow leave."""
        return lane_of(flow, self._own_lanes[producer])

    def _cut(self, flow: Flow, worker: Sequence[Instance] | None = None) -> Iterator[Flow]:
        """Cut a flow where parameters change or a tick is repeated; user code has had those of each piece it gets."""
        numbers = numbers_of(flow)
        start = 0
        while start < len(numbers):
            stop = self.crew.apply(numbers, start, worker)
            yield flow if stop - start == len(numbers) else flow.take(slice(start, stop))
            start = stop


def batch_for(flow: Flow) -> ResultBatch | EventBatch | None:
    """Return what ``reduce_batch`` gets; ``None`` for messages, which come one by one."""
    if not isinstance(flow, ResultRange):
        return flow if isinstance(flow, EventBatch) else None
    values = items_of(flow)
    assert isinstance(values, Sequence | np.ndarray), "values that are here can be counted"
    return ResultBatch(numbers=flow.numbers, values=stacked(values), revision=flow.revision)


def items_for(instance: Instance, flow: Flow) -> Iterable[Any]:
    """Yield what one instance gets: whole results if it wants them, otherwise the flow's items."""
    items = items_of(flow)
    if isinstance(flow, ResultRange) and instance.wants == "result":
        numbers: np.ndarray[Any, np.dtype[np.int64]] = flow.numbers
        return (Result(n, value, flow.revision) for n, value in zip(numbers.tolist(), items, strict=True))
    return items
