"""A map stage in one thread: its dispatcher lends ranges to its workers, its resequencer restores the order.

The workers take turns; which of them gets what is decided exactly as with processes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core import Account, EventBatch, Ledger
from penstock.core.dispatch import Dispatcher
from penstock.core.event_log import EventLog
from penstock.core.lease import Lease, Taken
from penstock.core.log_records import EventsEnded, RangeWorked
from penstock.core.replayed_ranges import ReplayedRanges
from penstock.core.resequencer import Resequencer
from penstock.core.result_range import ResultRange, Values
from penstock.core.trigger_map import TriggerMap
from penstock.errors import StateError, UserCodeError
from penstock.monitor.latency import Latency
from penstock.pipeline.plan import StagePlan
from penstock.services.flow import Flow, copies_in, numbers_of, origins_of
from penstock.services.prepared import PreparedWorker, prepared_worker
from penstock.services.stage_room import StageRoom, items_for
from penstock.services.user_calls import UserCalls

__all__ = ["MapRoom"]

NOMINAL_NS = 1000
"""What the dispatcher is told that an event took, so that it cuts the same ranges every time; no worker waits here."""


class MapRoom(StageRoom):
    """Run the user's map code for everything that comes in.

    An event that goes to several workers counts once for each of them.

    Parameters
    ----------
    plan
        The stage.
    clock
        Monotonic nanoseconds.
    contexts
        One a worker; they survive the run.
    trigger_maps
        Of the joins that have one, by name; they say which worker gets which event.
    log
        Where ranges and ends are noted, if anybody wants to know.
    ranges
        Those of a recorded run, if it matters how they are cut.
    ended
        Numbers of what has ended here, of a run that goes on.
    folder
        Where relative paths start.
    """

    def __init__(
        self,
        plan: StagePlan,
        ledger: Ledger,
        clock: Callable[[], int],
        contexts: Sequence[dict[str, Any]],
        trigger_maps: Mapping[str, TriggerMap],
        log: EventLog | None = None,
        ranges: Sequence[RangeWorked] | None = None,
        ended: NDArray[np.int64] | None = None,
        folder: str = ".",
    ) -> None:
        element = plan.elements[0]
        self._workers = {
            f"{plan.name}-{k}": prepared_worker(
                (element.target, element.arguments),
                [(step.name, step.target, step.arguments) for step in plan.prepare],
                parameters=plan.parameters,
                stage=plan.name,
                context=contexts[k],
                folder=folder,
            )
            for k in range(plan.workers)
        }
        super().__init__(plan, ledger, [each for worker in self._workers.values() for each in worker.instances])
        self.latency = Latency()
        self._tags = plan.tags
        self._clock = clock
        self._maps = trigger_maps
        self._log = log
        self._calls_of = {lane: self.calls[producer] for lane, producer in plan.producers.items()}
        self._order = {lane: Resequencer(plan.order) for lane in self._calls_of}
        self._dispatcher: Dispatcher[Flow] = Dispatcher(list(self._calls_of))
        if ranges is not None:
            self._dispatcher = ReplayedRanges(list(self._calls_of), ranges, list(self._workers), numbers_of, ended)
        for worker in self._workers:
            self._dispatcher.join(worker, plan.tags)

    def _work(self, flow: Flow, producer: str, now: int) -> None:
        if trouble := copies_in(flow, self.name):
            raise StateError(trouble)
        trigger_map = self._maps.get(producer)
        routes = None
        if trigger_map is not None and isinstance(flow, EventBatch):
            routes = trigger_map.routes(flow.numbers, flow.names).only(self._tags)
        self._dispatcher.submit(flow, routes, self._lane(flow, producer))
        self._work_on()

    def _work_on(self) -> None:
        while True:
            assigned = self._dispatcher.assign(self._clock())
            for taken in assigned.taken:
                self._expect(taken)
            for lease in assigned.leases:
                self._lease(lease)
            if not assigned.leases:
                return

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended."""
        if isinstance(self._dispatcher, ReplayedRanges):
            for lane, calls in self._calls_of.items():
                if calls is self.calls[producer]:
                    self._dispatcher.end(lane)
            self._work_on()
        super().close(producer, now)

    def _expect(self, taken: Taken[Flow]) -> None:
        """Learn in which order results must leave, and account for events that go to nobody here."""
        self._order[taken.lane].expect(numbers_of(taken.batch)[taken.rows], taken.deliveries)
        if taken.deliveries is not None:
            entry = self._calls_of[taken.lane].entry
            entry.arrive(int(np.maximum(taken.deliveries - 1, 0).sum()))
            entry.post(Account.DISCARDED, int((taken.deliveries == 0).sum()))

    def _lease(self, lease: Lease[Flow]) -> None:
        began = self._clock()
        flow = lease.batch.take(lease.rows)
        if lease.streams is not None and isinstance(flow, EventBatch):
            flow = flow.masked(lease.streams)
        worker, calls = self._workers[lease.worker], self._calls_of[lease.lane]
        start = 0
        for piece in self._cut(flow, worker.instances):
            try:
                values = self._values(calls, worker, piece)
            except UserCodeError as error:
                self._give(lease, worker, numbers_of(piece)[: len(error.done)], error.done, start)
                raise
            self._give(lease, worker, numbers_of(piece), values, start)
            start += len(piece)
        self._dispatcher.done(lease.id, lease.size * NOMINAL_NS)
        now = self._clock()
        if isinstance(flow, EventBatch):
            self.latency.add(now - flow.arrived_ns, len(flow))
        if self._log is not None:
            self._log.append(_worked(self.name, lease, numbers_of(flow), began, now - began))

    def _values(self, calls: UserCalls, worker: PreparedWorker, flow: Flow) -> Values:
        if worker.call_batch is not None and isinstance(flow, EventBatch):
            return calls.run_batch(worker.call_batch, worker.call, flow, revision=worker.revision)
        return calls.run(worker.call, items_for(worker.first, flow), numbers_of(flow), revision=worker.revision)

    def _give(
        self, lease: Lease[Flow], worker: PreparedWorker, numbers: NDArray[np.int64], values: Values, start: int
    ) -> None:
        """Hand on what came of the first events of a piece of a lease that begins at ``start``."""
        n = len(numbers)
        if self._log is not None and n:
            revisions = np.full(n, worker.revision, np.uint32)
            accounts = self._calls_of[lease.lane].accounts(values)
            ended = EventsEnded(consumer=self.name, numbers=numbers, accounts=accounts, revisions=revisions)
            self._log.append(ended)
        copies = None if lease.copies is None else lease.copies[start : start + n]
        result = ResultRange(
            stage=self.name,
            numbers=numbers,
            values=values,
            revision=worker.revision,
            copies=copies,
            lane=lease.lane,
            origins=origins_of(lease.batch),
        )
        self.outlet.give(self._order[lease.lane].handle(result) if n else [], self._clock())


def _worked(stage: str, lease: Lease[Flow], numbers: NDArray[np.int64], began_ns: int, took_ns: int) -> RangeWorked:
    return RangeWorked(
        stage=stage,
        worker=lease.worker,
        lane=lease.lane,
        attempts=lease.attempts,
        began_ns=began_ns,
        took_ns=took_ns,
        numbers=numbers,
        masks=np.empty(0, np.uint64) if lease.streams is None else lease.streams,
    )
