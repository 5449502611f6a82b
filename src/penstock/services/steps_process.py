"""The process of one stage of steps of any shape: leases come, and whatever the chain gives goes, now or later."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core import Account
from penstock.core.result_range import ResultRange
from penstock.elements.instance import Instance
from penstock.elements.step import Step
from penstock.errors import PenstockError
from penstock.services.fed import Fed, Row
from penstock.services.flow import Flow, numbers_of
from penstock.services.notes import notes_of
from penstock.services.numbered import Numbered, given_rows
from penstock.services.orders import RoomOrder
from penstock.services.progress import BESIDES
from penstock.services.pushed_chain import PushedChain, needs_pushing
from penstock.services.room_process import count_accounts
from penstock.services.stage_room import items_for
from penstock.services.user_calls import UserCalls
from penstock.services.worker_process import WorkerProcess
from penstock.wire.envelopes import BroughtOut, Close, Finish, Lease, Note, Part, Raised, Ready, Yielded

__all__ = ["StepsProcess", "run"]


class StepsProcess(WorkerProcess):
    """Do as a worker while all steps are functions; drive other chains by what comes."""

    def __init__(self, order: RoomOrder, fds: Sequence[int]) -> None:
        super().__init__(order, fds)
        self._chain: PushedChain | None = None
        self._numbered = Numbered(order.stage, order.first_number)
        self._has_failed = False
        """Whether it was said."""

    def make(self) -> Sequence[Instance]:
        """Make every step of the chain, and what drives it."""
        made = super().make()
        steps = [step for step in made if isinstance(step, Step)]
        if needs_pushing(steps):
            lane, producer = self.order.producers[0]
            self._open_books(lane, producer)
            self._chain = PushedChain(
                steps, Fed((), self.calls[producer], lane=lane), self.order.stage, beat=self.progress.beat
            )
            self.calling = self._chain.call
            if self._chain.fd is not None:
                self.line.wake_on(self._chain.fd)
        return made

    def ready(self) -> Ready:
        """Say also that results are numbered anew."""
        if self._chain is None:
            return super().ready()
        renumbers = self._chain.renumbers
        return Ready(not renumbers and super().ready().keeps_state, renumbers=renumbers)

    def handle(self, envelope: Any) -> None:  # one of Envelope
        """Work on a lease, or bring out the rest."""
        if not isinstance(envelope, Finish):
            super().handle(envelope)
            return
        self.progress.begin(BESIDES)
        try:
            if self._chain is not None:
                self._tell(self._chain, self._chain.end())
        except PenstockError as error:
            self.send_failed(error)
        finally:
            self.progress.end()
        self.line.send(BroughtOut())

    def when_quiet(self) -> float | None:
        """Send what has come out by itself."""
        if self._chain is not None:
            try:
                self._tell(self._chain, self._chain.late())
            except PenstockError as error:
                self._has_failed = True
                self.send_failed(error)
        return super().when_quiet()

    def close(self, asked: Close) -> None:
        """Close generators first."""
        if self._chain is not None:
            self._chain.close()
        super().close(asked)

    def _work(self, lease: Lease) -> None:
        chain = self._chain
        if chain is None:
            super()._work(lease)
            return
        calls = self.calls[self._producers[lease.lane]]
        # What a generator or a buffer keeps must not keep slots from those who write them.
        flow = self.line.read(lease.flow, is_copied=chain.renumbers)
        for piece in self.cut(flow):
            self.line.flush()
            if chain.mishaps.error is None:
                self._push(chain, lease, calls, piece)

    def _push(self, chain: PushedChain, lease: Lease, calls: UserCalls, piece: Flow) -> None:
        calls.entry.arrive(len(piece))
        numbers = numbers_of(piece)
        fed = Fed(numbers.tolist(), calls, lane=lease.lane, revision=self._revision(), told=self.progress.at)
        assert self._first is not None
        out = chain.feed([(fed, row, item) for row, item in enumerate(items_for(self._first, piece))])
        calls.check([value for _, _, value in out])
        ended = fed.settle(given_rows(out, fed), chain.mishaps.stop_of(fed))
        calls.entry.post(Account.ABORTED, calls.entry.in_flight)  # its own books add up; the builder's are the run's
        if chain.renumbers:
            self._yield(out)  # what stands before a failure
        self._say_failed(chain, calls)
        notes = self._notes(calls)
        self._send_raised()
        if chain.renumbers:
            self.line.later(self._told(lease, ended, notes))
            return
        values: list[Any] = [None] * len(ended)
        for _, row, value in out:
            values[row] = value
        results = ResultRange(
            stage=self.order.stage, numbers=numbers[: len(ended)], values=values, revision=fed.revision,
            lane=lease.lane,
        )  # fmt: skip
        self._send_rows(lease, results, ended, notes)

    def _told(self, lease: Lease, ended: NDArray[np.uint8], notes: tuple[Note, ...]) -> Part:
        """Return how rows ended of which nothing comes back one for one."""
        logged = memoryview(ended.tobytes()) if self.order.is_logged else None
        return Part(lease.id, len(ended), None, count_accounts(ended), None, notes, logged)

    def _tell(self, chain: PushedChain, rows: Sequence[Row]) -> None:
        """Send what came out apart from any lease."""
        if self._has_failed:
            return
        self._yield(rows)
        self._say_failed(chain, None)
        self._send_raised()

    def _send_raised(self) -> None:
        """Tell what user code raised on items that are accounted for already."""
        for lane, producer in self.order.producers:
            if notes := self._notes(self.calls[producer]):
                self.line.later(Raised(lane, notes))

    def _notes(self, calls: UserCalls) -> tuple[Note, ...]:
        """Return, once, what user code raised and the run goes on with."""
        notes = notes_of(calls.failures) if self.order.on_error != "fail" else ()
        calls.failures.clear()
        calls.dead_letters.clear()
        return notes

    def _say_failed(self, chain: PushedChain, calls: UserCalls | None) -> None:
        error = chain.mishaps.error
        if error is not None and not self._has_failed:
            self._has_failed = True
            self.line.send(self.fail(error, calls, error.event))

    def _yield(self, rows: Sequence[Row]) -> None:
        for results in self._numbered.ranges(rows):
            for packed in self._packed(results):
                slot = self._written(packed)
                self.line.later(Yielded(results.lane, packed.descriptor(slot)))
                if slot is not None:
                    self.line.flush()
        self.line.flush()


def run(order: RoomOrder, fds: Sequence[int]) -> None:
    """Be a stage of steps."""
    StepsProcess(order, fds).live()
