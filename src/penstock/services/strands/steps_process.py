"""The process of one worker of a parallel stage: it makes its steps by reference, and answers for every item.

It imports user code, which the process that forks it never does.
"""

import asyncio
import mmap
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from penstock.errors import PenstockError, RemoteProtocolError, ResultTypeError
from penstock.services.blob import write_blob
from penstock.services.strands.net_process import NetProcess
from penstock.services.strands.shelf import INLINE_BYTES, SHARED_BYTES, Shelf, are_long, shelves
from penstock.services.strands.stage import shortened
from penstock.services.strands.steps_copy import GIVEN_UP, Answer, StepsCopy
from penstock.services.strands.steps_order import (
    ItemReader,
    StageGoneError,
    StepsOrder,
    are_functions,
    made_steps,
    meant_values,
    names_of,
    stage_plan,
)
from penstock.services.strands.switching import switching
from penstock.services.user_calls import Failure
from penstock.transport.malloc import KEPT_BYTES, prefer_reuse
from penstock.transport.seqpacket import Link
from penstock.wire.steps import (
    MOST_SAID,
    Answered,
    Broken,
    Closed,
    End,
    Failed,
    Made,
    Returned,
    Set,
    Spoke,
    Work,
    cannot_travel,
    decode,
    encode,
    encode_values,
)

__all__ = ["run"]

FOR_EVER_S = 1e6
"""How long it waits until its stage listens, which may be kept busy by what reads from it."""


class _StepsProcess:
    """One worker: items come in spans, answers go."""

    def __init__(
        self, order: StepsOrder, copy: StepsCopy, link: Link, control: Link, shelves: tuple[Shelf, Shelf]
    ) -> None:
        self._order = order
        self._copy = copy
        self._link = link
        self._control = control
        self._items, self._outcomes = shelves
        self._reading = threading.Lock()
        self._runner = asyncio.Runner()
        self._reader = ItemReader(order)
        self._found: list[tuple[Any, tuple[int, ...]]] = []  # read while it looked for what can be given back

    def live(self) -> None:
        """Work until told to end."""
        copy = self._copy
        copy.holds_feedback = True
        if self._order.has_lanes:
            switching.begin()  # or user code that computes would let what is urgent wait for its next item, too
        threading.Thread(target=self._give_back, args=(copy,), name="penstock recall", daemon=True).start()
        self._say(Made())
        try:
            self._work(copy)
        except RemoteProtocolError as error:
            self._say(Broken(f"stage {self._order.stage}: an item cannot be read by {self._order.name}: {error}"))
            return
        trouble = copy.close()
        if copy.is_async:
            self._runner.close()
        self._say(Closed(trouble))

    def _work(self, copy: StepsCopy) -> None:
        while True:
            message, fds = self._next()
            match message:
                case Work(count, values, laid, freed):
                    self._outcomes.free(freed)
                    items = self._reader.read(values, fds, count) if laid is None else self._items.take(laid, count)
                    if copy.is_async:
                        self._runner.run(copy.work_awaiting(items, self._tell))
                    else:
                        copy.work(items, self._tell)
                case Set(values):
                    try:
                        copy.apply(meant_values(copy.steps, values))
                    except PenstockError as error:
                        self._say(Broken(str(error)))
                case End():
                    return

    def _next(self) -> tuple[Any, tuple[int, ...]]:
        if self._found:
            return self._found.pop(0)
        with self._reading:
            message = self._link.receive()
        if message is None:
            raise StageGoneError
        return decode(message.data, "worker"), message.fds

    def _give_back(self, copy: StepsCopy) -> None:
        """Listen to what may come at any time, in a thread of its own."""
        while self._control.receive() is not None:
            # What lies unread comes after what was begun, so it is given back first: what is given back is the last.
            with suppress(BrokenPipeError, StageGoneError):
                count = self._unread() + copy.recall()
                self._control.send(encode(Returned(count)))

    def _unread(self) -> int:
        if not self._reading.acquire(blocking=False):
            return 0  # it waits for something to do
        count = 0
        try:
            while (message := self._link.try_receive()) is not None:
                found = decode(message.data, "worker")
                if isinstance(found, Work):
                    count += found.count
                    for fd in message.fds:
                        os.close(fd)
                    if found.laid is not None:
                        self._items.skip(found.laid)
                else:
                    self._found.append((found, message.fds))
        finally:
            self._reading.release()
        return count

    def _tell(self, answer: Answer) -> None:
        outcomes = answer.outcomes
        if given_up := [at for at, outcome in enumerate(outcomes) if outcome is GIVEN_UP]:
            outcomes = [None if outcome is GIVEN_UP else outcome for outcome in outcomes]
        laid = self._outcomes.lay(outcomes) if outcomes and are_long(outcomes) else None
        values = b""
        if laid is None:
            try:
                values = encode_values(outcomes)
            except ResultTypeError:
                self._tell(self._without_travellers(answer))
                return
            if len(values) > INLINE_BYTES:
                laid = self._outcomes.lay(outcomes, values)
        is_here = laid is None and len(values) <= INLINE_BYTES
        failures = [Failed(failure.cause, failure.traceback, failure.item) for failure in answer.failures]
        message = Answered(
            len(outcomes), msgspec.Raw(values if is_here else b"\xc0"), answer.took_ns, answer.tallies, given_up,
            failures, answer.trouble, laid, self._items.news(),
        )  # fmt: skip
        for start in range(0, len(answer.feedback), MOST_SAID):
            self._say(Spoke(answer.feedback[start : start + MOST_SAID]))
        if is_here or laid is not None:
            self._say(message)
            return
        file = write_blob("outcomes", values)
        try:
            self._say(message, file)
        finally:
            os.close(file)

    def _without_travellers(self, answer: Answer) -> Answer:
        """Return an answer in which whatever cannot travel has failed."""
        order = self._order
        kept: list[Any] = []
        failures = list(answer.failures)
        for outcome in answer.outcomes:
            why = "" if outcome is GIVEN_UP else cannot_travel(outcome)
            if why:
                cause = f"what came of an item {why}"
                failures.append(Failure(stage="", event=None, cause=cause, traceback="", item=shortened(outcome)))
            if why and order.on_error == "fail":
                self._copy.answer_no_more()
                text = f"stage {order.stage}: {cause}; it was {shortened(outcome)}"
                return replace(answer, outcomes=kept, failures=failures, trouble=text)
            kept.append(GIVEN_UP if why else outcome)
        return replace(answer, outcomes=kept, failures=failures)

    def _say(self, message: Made | Broken | Answered | Spoke | Closed, *fds: int) -> None:
        try:
            self._link.send(encode(message), fds)
        except BrokenPipeError as error:
            raise StageGoneError from error


def run(order: StepsOrder, fds: Sequence[int]) -> None:
    """Be one worker of a parallel stage."""
    prefer_reuse(KEPT_BYTES, is_shared=False)
    link, control = (Link(fd, patience_s=FOR_EVER_S) for fd in fds[:2])
    memory = mmap.mmap(fds[2], SHARED_BYTES)
    os.close(fds[2])
    try:
        worker = _worker(order, link, control, memory)
    except PenstockError as error:
        with suppress(BrokenPipeError):
            link.send(encode(Broken(str(error))))
        return
    with suppress(StageGoneError):
        worker.live()


def _worker(order: StepsOrder, link: Link, control: Link, memory: mmap.mmap) -> _StepsProcess | NetProcess:
    begun = memoryview(memory)[: mmap.PAGESIZE].cast("q")
    steps = made_steps(order)
    if order.workers == 1 and not are_functions(steps):
        return NetProcess(order, steps, link, begun)
    copy = StepsCopy(stage_plan(order), steps, names_of(order))
    copy.count_begun(begun)
    return _StepsProcess(order, copy, link, control, shelves(memory))
