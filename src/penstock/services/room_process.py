"""One process that runs user code for one stage: what workers, chains of steps, reducers and sinks have in common.

It does what the event builder says, in the order in which it is said, and nothing else; it owns no custody.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core import NS_PER_S, Account, Ledger
from penstock.core.ledger import Entry
from penstock.core.log_records import Ticked
from penstock.core.parameters import Parameters
from penstock.elements.instance import Instance
from penstock.elements.user_code import validate
from penstock.errors import PenstockError, ResultTypeError, UserCodeError
from penstock.pipeline.reference import resolve
from penstock.services.crew import Crew
from penstock.services.flow import Flow, numbers_of
from penstock.services.kept_views import KeptViews
from penstock.services.line import BuilderGoneError, Line
from penstock.services.notes import note_of_error, notes_of
from penstock.services.orders import ElementOrder, RoomOrder
from penstock.services.progress import BESIDES, Progress
from penstock.services.user_calls import UserCalls
from penstock.transport.malloc import KEPT_BYTES, prefer_reuse
from penstock.transport.seqpacket import Link
from penstock.wire.envelopes import (
    Broken,
    Change,
    Close,
    Closed,
    Failed,
    Flag,
    Flagged,
    FlowDescriptor,
    Give,
    Lease,
    Ready,
    TickTold,
)
from penstock.wire.values import decode_value, encode_value

__all__ = ["FOR_EVER_S", "RoomProcess"]

WORK = frozenset({Lease, Give})
"""What is said nearly always."""
FOR_EVER_S = 1e6
"""How long a process waits until the event builder listens: the supervisor kills whoever hangs."""


class RoomProcess(ABC):
    """The process of one stage's user code, or of one sink.

    Parameters
    ----------
    order
        What it is to be.
    fds
        The link to the event builder, the page of progress, and what the role has beside.
    """

    def __init__(self, order: RoomOrder, fds: Sequence[int]) -> None:
        self.order = order
        self.line = Line(Link(fds[0], patience_s=FOR_EVER_S))
        self.progress = Progress(fds[1])
        self.entries: dict[str, Entry] = {}
        self.calls: dict[str, UserCalls] = {}
        self.crew = Crew(order.stage, ())
        self.kept = KeptViews(self.line, order.stage, self._things)
        self.calling: Callable[..., Any] | None = None
        """Calls hooks, if the user's code does not run in this thread; set when it is made."""
        self._ledger = Ledger()
        self._asked_to_close: Close | None = None
        self._is_closing = False

    def live(self) -> None:
        """Make the user's code, then work until told to end."""
        prefer_reuse(KEPT_BYTES, is_shared=False)
        try:
            if self._begin():
                self._work_until_stopped()
        except BuilderGoneError:
            return  # the supervisor knows, and what nobody takes is of no use
        finally:
            self.line.close()
            self.progress.close()

    @abstractmethod
    def make(self) -> Sequence[Instance]:
        """Make the user's code; raises whatever that raises."""

    @abstractmethod
    def handle(self, envelope: Any) -> None:  # one of Envelope
        """Do what was said."""

    def when_quiet(self) -> float | None:
        """Do what is to be done before waiting; return for how long at most to wait, in s."""
        return None

    def ready(self) -> Ready:
        """Return what is said when everything is made."""
        return Ready()

    def elements(self) -> list[tuple[Any, dict[str, Any]]]:
        """Return target and arguments of every element."""
        return [self.element(order) for order in self.order.elements]

    def element(self, order: ElementOrder) -> tuple[Any, dict[str, Any]]:
        """Return target and arguments of an element."""
        return resolve(order.reference, Path(self.order.folder)), decode_value(order.arguments)

    def start_values(self) -> dict[str, Any]:
        """Return the start values of parameters as the pipeline gives them, by name or ``step.name``."""
        found: dict[str, Any] = decode_value(self.order.parameters)
        return found

    def context(self) -> dict[str, Any]:
        """Return what an earlier run left for this process."""
        found: dict[str, Any] = decode_value(self.order.context)
        return found

    def cut(self, flow: Flow) -> Iterator[Flow]:
        """Cut a flow where parameters change or a tick is repeated; user code has had those of each piece it gets."""
        numbers = numbers_of(flow)
        start = 0
        while start < len(numbers):
            stop = self.crew.apply(numbers, start)
            yield flow if stop - start == len(numbers) else flow.take(slice(start, stop))
            start = stop

    def fail(self, error: PenstockError, calls: UserCalls | None = None, event: int | None = None) -> Failed:
        """Return what is said when user code raised and the run must not go on."""
        notes = () if calls is None else notes_of(calls.failures)[-1:]
        note = note_of_error(self.order.stage, error)
        if not notes and note is not None:
            notes = (note,)
        revision = error.revision if isinstance(error, UserCodeError) else 0
        return Failed(str(error), event, revision, notes)

    def send_failed(self, error: PenstockError) -> None:
        """Say that user code raised outside of any event."""
        self.line.send(self.fail(error))

    def _begin(self) -> bool:
        try:
            instances = self.make()
            self.crew = Crew(self.order.stage, instances, [(self.order.name, k) for k in range(len(instances))])
            if self.calling is not None:
                self.crew.calling = self.calling
            self._learn_ticks()
            self._declare()
            for lane, producer in self.order.producers:
                self._open_books(lane, producer)
        except PenstockError as error:
            self.line.send(Broken(str(error), note_of_error(self.order.stage, error)))
            self.progress.leave()
            return False
        self.line.send(self.ready())
        return True

    def _learn_ticks(self) -> None:
        order = self.order
        if order.repeats_ticks:
            self.crew.repeat(
                [
                    Ticked(stage=order.stage, worker=order.name, now_ns=now_ns, after=after, flags=flags, step=step)
                    for now_ns, after, flags, step in order.ticks
                ],
                order.clock_from,
            )
        if order.is_logged:
            self.crew.on_tick = self._tell_tick

    def _tell_tick(self, tick: Ticked) -> None:
        self.line.send(TickTold(tick.now_ns, tick.after, tick.flags, tick.step))

    def _open_books(self, lane: str, producer: str) -> None:
        if producer in self.calls:
            return
        entry = self._ledger.entry(producer, self.order.stage)
        on_error: Any = self.order.on_error  # a text that the plan has checked
        returns = self.order.kind != "reduce"
        calls = UserCalls(
            self.order.stage,
            entry,
            on_error,
            returns=returns,
            trips=self.order.trips,
            retry_s=self.order.retry_s,
        )
        self.entries[producer] = entry
        self.calls[producer] = calls

    def _declare(self) -> None:
        """Put the parameters of this process's own code under a history that follows the event builder's."""
        instances = self.crew.instances
        declared = {p.address: p for i in instances for p in i.parameters}
        values = {p.address: i.value_of(p) for i in instances for p in i.parameters}
        given = {address: value for address, value in decode_value(self.order.values).items() if address in declared}
        values |= given
        self.crew.parameters = Parameters(declared.values(), values, validate=validate)
        for instance in instances:
            instance.apply(self.crew.parameters.latest)

    def _work_until_stopped(self) -> None:
        try:
            self._work_on()
        except KeyboardInterrupt:  # everything is to end at once, whatever user code is in the midst of
            if self._is_closing:
                self.line.send(Closed())
                self.progress.leave()
            else:
                self._close(Close(ended_well=False, outcome="aborted"))

    def _work_on(self) -> None:
        while self._asked_to_close is None:
            self.progress.beat()
            # What is here already waits for nothing but what is due.
            envelope = None if self.crew.is_ticking else self.line.here()
            if envelope is None:
                envelope = self.line.next(self._tick())
            if envelope is not None:
                self._say_to(envelope)
        self._close(self._asked_to_close)

    def _tick(self) -> float | None:
        """Call what is due; return for how long to wait for the event builder, in s; ``None``: for ever."""
        waits = [self.when_quiet() if self.line.is_quiet else None]
        now = time.monotonic_ns()
        due = self.crew.next_tick_ns(now)
        if due is not None and due <= now:
            try:
                self.crew.tick(now, time.time_ns())
            except UserCodeError as error:
                self.send_failed(error)
            due = self.crew.next_tick_ns(now)
        if due is not None:
            waits.append(max(0.0, (due - now) / NS_PER_S))
        return min((wait for wait in waits if wait is not None), default=None)

    def _say_to(self, envelope: Any) -> None:
        if type(envelope) in WORK:
            self.handle(envelope)
            return
        match envelope:
            case Close():
                self._asked_to_close = envelope
            case Change(revision, from_event, values):
                if self.crew.parameters is not None:
                    self.crew.parameters.follow(revision, from_event, decode_value(memoryview(values)))
            case Flag(number, flow):
                self._flag(flow)
                self.line.send(Flagged(number))
            case _:
                self.handle(envelope)

    def _flag(self, flow: FlowDescriptor) -> None:
        self.progress.begin(BESIDES)
        try:
            self.crew.flag(self.line.read(flow))
        except UserCodeError as error:
            self.send_failed(error)
        finally:
            self.progress.end()

    def close(self, asked: Close) -> None:
        """Let user code close what it has opened."""
        self.crew.close()

    def _close(self, asked: Close) -> None:
        trouble, note = "", None
        self._is_closing = True
        try:
            self.close(asked)
        except PenstockError as error:
            trouble, note = str(error), note_of_error(self.order.stage, error)
        self.line.send(Closed(trouble, note, _kept_context(self.contexts()), self.output()))
        self.progress.leave()

    def output(self) -> str:
        """Return the file that was written, for the report; by default there is none."""
        return ""

    def contexts(self) -> dict[str, Any]:
        """Return what is kept for the next run."""
        return {}

    def _things(self) -> Collection[Instance]:
        return self.crew.instances


def count_accounts(ended: NDArray[np.uint8]) -> tuple[tuple[int, int], ...]:
    """Return how many rows ended in each account."""
    counts = np.bincount(ended, minlength=len(Account))
    return tuple([(int(account), int(counts[account])) for account in np.flatnonzero(counts)])


def _kept_context(context: Mapping[str, Any]) -> msgspec.Raw:
    try:
        return msgspec.Raw(encode_value(dict(context)))
    except ResultTypeError:  # it serves this process only
        return msgspec.Raw(b"\x80")
