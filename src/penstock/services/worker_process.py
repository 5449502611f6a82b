"""The process of one worker, or of one chain of functions: leases come, what user code makes of them goes."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core import Account, EventBatch
from penstock.core.result_range import ResultRange
from penstock.elements.instance import Instance
from penstock.elements.own_folder import give_folder
from penstock.elements.user_code import Step, step_names
from penstock.errors import PenstockError, ResultTypeError, UserCodeError
from penstock.services.chain import chain_of, own_parameters
from penstock.services.flow import Flow, numbers_of
from penstock.services.notes import notes_of
from penstock.services.orders import RoomOrder
from penstock.services.own_pools import OwnPools
from penstock.services.prepared import PreparedWorker, prepared_worker
from penstock.services.room_process import RoomProcess, count_accounts
from penstock.services.stage_room import items_for
from penstock.services.user_calls import UserCalls
from penstock.wire.envelopes import Change, Done, Lease, Note, Part, PoolGone, PoolMade, Ready
from penstock.wire.results import PackedResults, pack_results
from penstock.wire.slots import Slot

__all__ = ["WorkerProcess", "run"]

ANY_SIZE = 1 << 62
LONGEST_QUIET_S = 0.1
"""How often it says that it lives while it waits."""
WATCHED_SIZE = 256
"""Leases of so few events take milliseconds for each: telling its number costs nothing there."""


class WorkerProcess(RoomProcess):
    """Work on leases, in the order in which they come."""

    def __init__(self, order: RoomOrder, fds: Sequence[int]) -> None:
        super().__init__(order, fds)
        self._context = self.context()
        self._memory = fds[2:]
        """Of a worker that keeps events: where."""
        self._results = OwnPools(f"{order.name} results", order.result_slots, order.generation, self._announce)
        self._producers = dict(order.producers)
        self._first: Instance | None = None
        """Who is given the items."""
        self._worker: PreparedWorker | None = None
        """Of map."""
        self._ranks = {lane: rank for rank, (lane, _) in enumerate(order.producers)}
        self._urgent_done = 0
        """Urgent leases that were begun."""
        self._urged = 0
        """How many were on their way when it was seen that none of them goes before what is worked on."""
        self._is_overtaken = False
        """Whether the last range was left in its midst for something more urgent."""
        self._aside_ns = 0
        """What urgent leases in the midst of others have taken."""

    def make(self) -> Sequence[Instance]:
        """Make the worker, or every step of the chain."""
        elements = self.elements()
        values = self.start_values()
        stage = self.order.stage
        if self.order.kind == "map":
            self._worker = prepared_worker(
                elements[0],
                [(order.name, *self.element(order)) for order in self.order.prepare],
                parameters=values,
                stage=stage,
                context=self._context,
                folder=self.order.folder,
            )
            for fd in self._memory:
                self._worker.worker.thing.keep_in(fd)
            self._first = self._worker.first
            return self._worker.instances
        names = step_names([element.name for element in self.order.elements])
        steps = [
            Step(target, arguments, parameters=own_parameters(values, name), stage=stage, step=name)
            for (target, arguments), name in zip(elements, names, strict=True)
        ]
        for step in steps:
            give_folder(step.thing, self.order.folder)
        self._first = steps[0]
        return steps

    def ready(self) -> Ready:
        """Say also whether a successor could go on: a chain of functions keeps nothing."""
        return Ready(self.order.kind == "map" or all(step.is_function for step in self.crew.instances))

    def contexts(self) -> dict[str, Any]:
        """Return the worker's context."""
        return self._context

    def handle(self, envelope: Any) -> None:  # one of Envelope
        """Work on a lease."""
        assert isinstance(envelope, Lease), envelope
        self.progress.begin(envelope.id)
        self._urgent_done += envelope.is_urgent
        began_ns, aside_ns = time.monotonic_ns(), self._aside_ns
        try:
            self._work(envelope)
            kept = self.kept.after(self.line.slots_of(envelope.flow))
        except PenstockError as error:
            self.send_failed(error)
            return
        finally:
            self.progress.end()
        took_ns = time.monotonic_ns() - began_ns - (self._aside_ns - aside_ns)
        self.line.send(Done(envelope.id, max(1, took_ns), kept, self.kept.let_go()))

    def _work(self, lease: Lease) -> None:
        flow = self.line.read(lease.flow)
        copies = None if lease.copies is None else lease.copies.array().astype(np.int32)
        calls = self.calls[self._producers[lease.lane]]
        is_watched = lease.is_watched or lease.size <= WATCHED_SIZE
        start = 0
        while start < len(flow):
            for piece in self.cut(flow.take(slice(start, len(flow))) if start else flow):
                self.line.flush()  # what came of the piece before, where parameters change within a lease
                values = self._call(calls, piece, is_watched, is_suspect=lease.is_watched, lane=lease.lane)
                n = len(values)
                results = ResultRange(
                    stage=self.order.stage,
                    numbers=numbers_of(piece)[:n],
                    values=values,
                    revision=self._revision(),
                    copies=None if copies is None else copies[start : start + n],
                    lane=lease.lane,
                )
                if n:
                    self.progress.did(int(results.numbers[-1]))
                    self._give(lease, calls, results)
                start += n if self._is_overtaken else len(piece)
                if self._is_overtaken:
                    self._do_urgent(lease)
                    break

    def _do_urgent(self, lease: Lease) -> None:
        """Work on what is more urgent than a lease that has been left in its midst."""
        began_ns = time.monotonic_ns()
        while (urgent := self.line.take_out(self._goes_before(lease.lane))) is not None:
            # What was done before it must be said before it, and parameters be those it was to have.
            self.line.flush()
            while (change := self.line.take_out(_is_change)) is not None:
                self._say_to(change)
            self.handle(urgent)
        self._aside_ns += time.monotonic_ns() - began_ns
        self.progress.begin(lease.id)

    def _goes_before(self, lane: str) -> Callable[[Any], bool]:
        rank = self._ranks[lane]
        return lambda other: isinstance(other, Lease) and other.is_urgent and self._ranks[other.lane] < rank

    def _finds_urgent(self, lane: str) -> bool:
        """Whether something more urgent has come; whether it may have is seen without a system call."""
        urged = self.progress.urged
        if urged in (self._urgent_done, self._urged):
            return False
        self.line.look()
        if self.line.has_come(self._goes_before(lane)):
            return True
        if self.line.has_come(_is_urgent):
            self._urged = urged
        return False

    def _until_urgent(self, items: Iterable[Any], lane: str) -> Iterator[Any]:
        """Yield items until something more urgent has come."""
        for item in items:
            if self._finds_urgent(lane):
                self._is_overtaken = True
                return
            yield item

    def _call(
        self, calls: UserCalls, flow: Flow, is_watched: bool, *, is_suspect: bool, lane: str
    ) -> Any:  # a list, or an array of numbers
        first = self._first
        assert first is not None
        calls.entry.arrive(len(flow))
        calls.failures.clear()
        calls.dead_letters.clear()
        numbers = numbers_of(flow)
        self._is_overtaken, self._urged = False, 0
        looks = self._ranks.get(lane, 0) > 0
        try:
            batch = None if self._worker is None else self._worker.call_batch
            if batch is not None and isinstance(flow, EventBatch):
                call, revision = self._called(), self._revision()
                if not is_suspect:
                    if looks and self._finds_urgent(lane):
                        self._is_overtaken = True
                        return []
                    return calls.run_batch(batch, call, flow, revision=revision)
                marks: Iterable[None] = self.progress.marks(numbers.tolist())
                marks = self._until_urgent(marks, lane) if looks else marks
                return calls.run_singly(batch, call, flow, marks, revision=revision)
            items: Iterable[Any] = items_for(first, flow)
            if is_watched:
                items = map(itemgetter(0), zip(items, self.progress.marks(numbers.tolist()), strict=False))
            if looks:
                items = self._until_urgent(items, lane)
            return calls.run(self._called(), items, numbers, revision=self._revision())
        except UserCodeError as error:
            event = int(numbers[min(len(error.done), len(numbers) - 1)]) if error.event is None else error.event
            # Said before what was done, so that nothing behind this event is let past.
            self.line.send(self.fail(error, calls, event))
            return [*error.done, *([None] if len(error.done) < len(numbers) else [])]
        finally:
            calls.entry.post(
                Account.ABORTED, calls.entry.in_flight
            )  # its own books add up; the builder's are the run's

    def _called(self) -> Callable[[Any], Any]:
        if self._worker is not None:
            return self._worker.call
        return chain_of(self.crew.instances)

    def _revision(self) -> int:
        return self.crew.instances[0].revision

    def _give(self, lease: Lease, calls: UserCalls, results: ResultRange) -> None:
        """Send what came of some rows, in as many messages as it needs; large arrays go into slots."""
        notes = notes_of(calls.failures) if self.order.on_error != "fail" else ()
        ended = None if calls.is_whole else calls.accounts(results.values)  # type: ignore[arg-type]  # they are here
        self._send_rows(lease, results, ended, notes)

    def _send_rows(
        self, lease: Lease, results: ResultRange, ended: NDArray[np.uint8] | None, notes: tuple[Note, ...]
    ) -> None:
        at = 0
        for packed in self._packed(results):
            n = len(packed.results)
            rows = None if ended is None else ended[at : at + n]
            slot = self._written(packed, is_again=lease.is_again)
            self.line.later(self._part(lease, packed, rows, slot, notes))  # small ones travel with what ends the lease
            if slot is not None:
                self.line.flush()
            at, notes = at + n, ()

    def _written(self, packed: PackedResults, *, is_again: bool = False) -> Slot | None:
        """Write what is large into a slot, and return it; ``None`` if nothing is."""
        if not packed.slot_bytes:
            return None
        slot = self._slot(packed.slot_bytes, is_again)
        packed.write(self._results.memory(slot))
        return slot

    def _packed(self, results: ResultRange) -> list[PackedResults]:
        while True:
            try:
                return pack_results(results, self._results.slot_bytes)
            except ResultTypeError:
                rows = (results.take(slice(row, row + 1)) for row in range(len(results)))
                largest = max(packed.slot_bytes for row in rows for packed in pack_results(row, ANY_SIZE))
                if largest <= self._results.slot_bytes:
                    raise
                self._results.fit(largest + largest // 16)

    def _part(self, lease: Lease, packed: PackedResults, rows: Any, slot: Any, notes: Any) -> Part:
        if rows is None:  # all are done, as almost always
            n = len(packed.results)
            ended = memoryview(bytes([Account.DONE]) * n) if self.order.is_logged else None
            return Part(lease.id, n, packed.descriptor(slot), ((int(Account.DONE), n),), None, notes, ended)
        there = rows == Account.DONE
        return Part(
            lease.id,
            len(rows),
            packed.descriptor(slot) if there.any() else None,
            count_accounts(rows),
            None if there.all() else memoryview(np.packbits(there, bitorder="little").tobytes()),
            notes,
            memoryview(rows.tobytes()) if self.order.is_logged else None,
        )

    def _slot(self, nbytes: int, is_again: bool) -> Slot:
        """Return a free slot, waiting for one; what is given again must not wait for what stands behind it."""
        self._results.fit(nbytes)
        while (slot := self._results.lend()) is None:
            self.line.look()
            self._take_back()
            if not self._results.free:
                if is_again or self.line.has_come(_is_again):  # behind this one
                    self._results.grow()
                else:
                    self.line.wait_for_freed(LONGEST_QUIET_S)
                    self.progress.beat()  # who waits does not hang
        return slot

    def _take_back(self) -> None:
        freed, self.line.freed = self.line.freed, []
        for each in freed:
            self._results.take_back(each)

    def _announce(self, what: PoolMade | PoolGone, fds: tuple[int, ...]) -> None:
        self.line.send(what, fds=fds)


def _is_urgent(envelope: Any) -> bool:  # one of Envelope
    return isinstance(envelope, Lease) and envelope.is_urgent


def _is_change(envelope: Any) -> bool:  # one of Envelope
    return isinstance(envelope, Change)


def _is_again(envelope: Any) -> bool:  # one of Envelope
    return isinstance(envelope, Lease) and envelope.is_again


def run(order: RoomOrder, fds: Sequence[int]) -> None:
    """Be a worker, or a chain of steps."""
    WorkerProcess(order, fds).live()
