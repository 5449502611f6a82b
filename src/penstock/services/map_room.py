"""A map stage in one thread: its dispatcher lends ranges to its workers, its resequencer restores the order.

The workers take turns; which of them gets what is decided exactly as with processes.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np

from penstock.core import Account, EventBatch, Kind, Ledger
from penstock.core.dispatch import Dispatcher
from penstock.core.event_log import EventLog
from penstock.core.lease import Lease
from penstock.core.log_records import EventsEnded, RangeWorked
from penstock.core.resequencer import Resequencer
from penstock.core.result import Result
from penstock.core.result_range import ResultRange
from penstock.core.trigger_map import TriggerMap
from penstock.elements.user_code import Worker, bind_worker
from penstock.monitor.latency import Latency
from penstock.pipeline.plan import StagePlan
from penstock.services.crew import Crew
from penstock.services.flow import Flow, Outlet, items_of, kind_of, numbers_of, with_values
from penstock.services.user_calls import UserCalls

__all__ = ["MapRoom"]


class MapRoom:
    """Run the user's map code for everything that comes in.

    Parameters
    ----------
    plan
        The stage.
    trigger_maps
        Of the joins that have one, by name; they say which worker gets which event.
    clock
        Monotonic nanoseconds.
    contexts
        One a worker; they survive the run.

    log
        Where ranges and ends are noted, if anybody wants to know.

    An event that goes to several workers counts once for each of them.
    """

    def __init__(
        self,
        plan: StagePlan,
        ledger: Ledger,
        clock: Callable[[], int],
        contexts: Sequence[dict[str, Any]],
        trigger_maps: Mapping[str, TriggerMap],
        log: EventLog | None = None,
    ) -> None:
        self.name = plan.name
        self.outlet = Outlet(plan.name)
        self.latency = Latency()
        self._plan = plan
        self._clock = clock
        self._maps = trigger_maps
        self._log = log
        self._lanes = {producer: lane for lane, producer in plan.inputs}
        self._open = set(self._lanes)
        element = plan.elements[0]
        self._workers = {
            f"{plan.name}-{k}": bind_worker(
                element.target, element.arguments, parameters=plan.parameters, stage=plan.name, context=contexts[k]
            )
            for k in range(plan.workers)
        }
        self.crew = Crew(plan.name, self._workers.values())
        self._calls = {
            producer: UserCalls(plan.name, ledger.entry(producer, plan.name), plan.on_error) for producer in self._lanes
        }
        self._dispatcher: Dispatcher[Flow] = Dispatcher([lane for lane, _ in plan.inputs])
        for worker in self._workers:
            self._dispatcher.join(worker, plan.tags)
        self._order = {lane: Resequencer(plan.order) for lane, _ in plan.inputs}
        self._producer_of = dict(plan.inputs)

    @property
    def calls(self) -> list[UserCalls]:
        """The books of user code, one a lane."""
        return list(self._calls.values())

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a flow and work on it until nothing is left."""
        if kind_of(flow) is not Kind.DATA:
            self.crew.flag(flow)
            self.outlet.give([flow], now)
            return
        flow = with_values(flow)
        lane = self._lanes[producer]
        self._calls[producer].entry.arrive(len(flow))
        trigger_map = self._maps.get(producer)
        routes = None
        if trigger_map is not None and isinstance(flow, EventBatch):
            routes = trigger_map.routes(flow.numbers, flow.names).only(self._plan.tags)
        self._dispatcher.submit(flow, routes, lane)
        self._work()

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended; the stage ends with its last."""
        self._open.discard(producer)
        if not self._open:
            self.outlet.close(now)

    def _work(self) -> None:
        while True:
            assigned = self._dispatcher.assign(self._clock())
            for taken in assigned.taken:
                self._order[taken.lane].expect(numbers_of(taken.batch)[taken.rows], taken.deliveries)
                if taken.deliveries is not None:
                    entry = self._calls[self._producer_of[taken.lane]].entry
                    entry.arrive(int(np.maximum(taken.deliveries - 1, 0).sum()))
                    entry.post(Account.DISCARDED, int((taken.deliveries == 0).sum()))
            if not assigned.leases:
                return
            for lease in assigned.leases:
                self._lease(lease)

    def _lease(self, lease: Lease[Flow]) -> None:
        began = self._clock()
        flow = lease.batch.take(lease.rows)
        if lease.streams is not None and isinstance(flow, EventBatch):
            flow = flow.masked(lease.streams)
        worker = self._workers[lease.worker]
        numbers = numbers_of(flow)
        start = 0
        while start < len(numbers):
            stop = self._same_parameters(worker, numbers, start)
            self._call(lease, worker, flow if stop - start == len(numbers) else flow.take(slice(start, stop)), start)
            start = stop
        now = self._clock()
        # Told nothing of how long it took, the dispatcher cuts the same ranges every time.
        self._dispatcher.done(lease.id, 0)
        if self._log is not None:
            masks = np.empty(0, np.uint64) if lease.streams is None else lease.streams
            self._log.append(
                RangeWorked(
                    stage=self.name, worker=lease.worker, lane=lease.lane, attempts=lease.attempts, began_ns=began,
                    took_ns=now - began, numbers=numbers, masks=masks,
                )
            )  # fmt: skip
        if isinstance(flow, EventBatch) and flow.arrived_ns:
            self.latency.add(now - flow.arrived_ns, len(flow))

    def _same_parameters(self, worker: Worker, numbers: np.ndarray[Any, Any], start: int) -> int:
        """Give the worker the parameters of one event; return up to where they hold."""
        if not self.crew.parameters:
            return len(numbers)
        values = self.crew.parameters.at(int(numbers[start]))
        if values.revision != worker.revision:
            worker.apply(values)
        later = (self.crew.parameters.at(int(number)) for number in numbers[start:])
        if self.crew.parameters.at(int(numbers[-1])).revision == values.revision:
            return len(numbers)
        return start + sum(1 for _ in takewhile(lambda held: held.revision == values.revision, later))

    def _call(self, lease: Lease[Flow], worker: Worker, flow: Flow, start: int) -> None:
        numbers = numbers_of(flow)
        calls = self._calls[self._producer_of[lease.lane]]
        items = items_of(flow)
        if isinstance(flow, ResultRange) and worker.wants == "result":
            items = (Result(n, value, flow.revision) for n, value in zip(numbers.tolist(), items, strict=True))
        if worker.call_batch is not None and isinstance(flow, EventBatch):
            values = calls.run_batch(worker.call_batch, worker.call, flow, revision=worker.revision)
        else:
            values = calls.run(worker.call, items, numbers.tolist(), revision=worker.revision)
        if self._log is not None:
            revisions = np.full(len(numbers), worker.revision, np.uint32)
            ended = EventsEnded(
                consumer=self.name, numbers=numbers, accounts=calls.accounts(values), revisions=revisions
            )
            self._log.append(ended)
        copies = None if lease.copies is None else lease.copies[start : start + len(numbers)]
        result = ResultRange(stage=self.name, numbers=numbers, values=values, revision=worker.revision, copies=copies)
        self.outlet.give(self._order[lease.lane].handle(result), self._clock())
