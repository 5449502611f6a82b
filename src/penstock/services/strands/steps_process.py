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
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import msgspec

from penstock.elements.own_folder import give_folder
from penstock.elements.parameter_types import validate
from penstock.elements.step import Step
from penstock.elements.user_code import step_names
from penstock.errors import PenstockError, RemoteProtocolError, ResultTypeError
from penstock.pipeline.plan import OnError, StagePlan
from penstock.pipeline.reference import resolve
from penstock.services.blob import write_blob
from penstock.services.chain import own_parameters
from penstock.services.orders import ElementOrder
from penstock.services.strands.stage import shortened
from penstock.services.strands.steps_copy import GIVEN_UP, Answer, StepsCopy
from penstock.services.strands.switching import switching
from penstock.services.user_calls import Failure
from penstock.transport.malloc import KEPT_BYTES, prefer_reuse
from penstock.transport.seqpacket import Link
from penstock.wire.steps import (
    Answered,
    Broken,
    Closed,
    End,
    Failed,
    Made,
    Returned,
    Set,
    Work,
    cannot_travel,
    decode,
    decode_values,
    encode,
    encode_values,
)
from penstock.wire.values import decode_value

__all__ = ["StepsOrder", "run"]

FOR_EVER_S = 1e6
"""How long it waits until its stage listens, which may be kept busy by what reads from it."""
INLINE_BYTES = 60_000


class StepsOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker of a parallel stage is to be."""

    name: str
    stage: str
    elements: tuple[ElementOrder, ...]
    folder: str
    on_error: str
    trips: int
    retry_s: float
    parameters: bytes
    """Start values by name or ``step.name``, as ``encode_value`` writes them."""
    has_lanes: bool = False
    modules: tuple[str, ...] = ()
    """Those of the pipeline's code: what items are made of may be defined there."""
    prelude: tuple[str, ...] = ()
    """What is called before any of it is imported, ``module:function``."""


class _StageGoneError(Exception):
    """Nobody is there to work for."""


class _StepsProcess:
    """One worker: items come in spans, answers go."""

    def __init__(self, order: StepsOrder, fds: Sequence[int]) -> None:
        self._order = order
        self._link = Link(fds[0], patience_s=FOR_EVER_S)
        self._control = Link(fds[1], patience_s=FOR_EVER_S)
        self._begun = memoryview(mmap.mmap(fds[2], mmap.PAGESIZE)).cast("q")
        os.close(fds[2])
        self._reading = threading.Lock()
        self._runner = asyncio.Runner()
        self._unloaded = list(order.modules)
        self._found: list[tuple[Any, tuple[int, ...]]] = []  # read while it looked for what can be given back

    def live(self) -> None:
        """Make the steps, then work until told to end."""
        try:
            self._copy = copy = self._made()
        except PenstockError as error:
            self._say(Broken(str(error)))
            return
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

    def _made(self) -> StepsCopy:
        order = self._order
        folder = Path(order.folder)
        for reference in order.prelude:
            resolve(reference, folder)()
        parameters = decode_value(order.parameters)
        names = step_names([element.name for element in order.elements])
        steps = [
            Step(
                resolve(element.reference, folder), decode_value(element.arguments),
                parameters=own_parameters(parameters, name), stage=order.stage, step=name,
            )
            for element, name in zip(order.elements, names, strict=True)
        ]  # fmt: skip
        for step in steps:
            give_folder(step.thing, order.folder)
        plan = StagePlan(
            name=order.stage, kind="steps", inputs=(), elements=(), on_error=cast(OnError, order.on_error),
            trips=order.trips, retry_s=order.retry_s,
        )  # fmt: skip
        copy = StepsCopy(plan, steps, names)
        copy.count_begun(self._begun)
        return copy

    def _work(self, copy: StepsCopy) -> None:
        while True:
            message, fds = self._next()
            match message:
                case Work(count, values):
                    items = self._items(_file(fds[0]) if fds else values, count)
                    if copy.is_async:
                        self._runner.run(copy.work_awaiting(items, self._tell))
                    else:
                        copy.work(items, self._tell)
                case Set(values):
                    try:
                        _apply(copy, decode_value(values))
                    except PenstockError as error:
                        self._say(Broken(str(error)))
                case End():
                    return

    def _items(self, data: Any, count: int) -> list[Any]:
        try:
            return decode_values(data, count)
        except RemoteProtocolError:
            if not self._unloaded:
                raise
        # Of a data class that the steps do not know; it may be that of the source, for instance.
        while self._unloaded:
            with suppress(Exception):  # user code that cannot be loaded has made no item
                _load(self._unloaded.pop(), Path(self._order.folder))
        return decode_values(data, count)

    def _next(self) -> tuple[Any, tuple[int, ...]]:
        if self._found:
            return self._found.pop(0)
        with self._reading:
            message = self._link.receive()
        if message is None:
            raise _StageGoneError
        return decode(message.data, "worker"), message.fds

    def _give_back(self, copy: StepsCopy) -> None:
        """Listen to what may come at any time, in a thread of its own."""
        while self._control.receive() is not None:
            # What lies unread comes after what was begun, so it is given back first: what is given back is the last.
            with suppress(BrokenPipeError, _StageGoneError):
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
                else:
                    self._found.append((found, message.fds))
        finally:
            self._reading.release()
        return count

    def _tell(self, answer: Answer) -> None:
        try:
            values = encode_values([None if outcome is GIVEN_UP else outcome for outcome in answer.outcomes])
        except ResultTypeError:
            self._tell(self._without_travellers(answer))
            return
        given_up = [at for at, outcome in enumerate(answer.outcomes) if outcome is GIVEN_UP]
        failures = [Failed(failure.cause, failure.traceback, failure.item) for failure in answer.failures]
        is_long = len(values) > INLINE_BYTES
        message = Answered(
            len(answer.outcomes), msgspec.Raw(b"\xc0" if is_long else values), answer.took_ns, answer.tallies, given_up,
            failures, answer.trouble,
        )  # fmt: skip
        if not is_long:
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

    def _say(self, message: Made | Broken | Answered | Closed, *fds: int) -> None:
        try:
            self._link.send(encode(message), fds)
        except BrokenPipeError as error:
            raise _StageGoneError from error


def _apply(copy: StepsCopy, values: dict[str, Any]) -> None:
    declared = {parameter.address: parameter for step in copy.steps for parameter in step.parameters}
    meant = {address: validate(declared[address], value) for address, value in values.items() if address in declared}
    copy.apply(meant)


def _file(fd: int) -> memoryview:
    # A private mapping: what a step writes into an array goes nowhere else.
    with os.fdopen(fd, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def _load(module: str, folder: Path) -> None:
    if module.partition(".")[0] == "penstock":
        import_module(module)
    else:
        resolve(f"{module}:__name__", folder)


def run(order: StepsOrder, fds: Sequence[int]) -> None:
    """Be one worker of a parallel stage."""
    prefer_reuse(KEPT_BYTES, is_shared=False)
    with suppress(_StageGoneError):
        _StepsProcess(order, fds).live()
