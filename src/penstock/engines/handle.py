"""The handle of a run that goes on beside its caller: change parameters, scale, look at it, stop it, wait for it.

The run has a thread of its own, in which everything is done; the handle only asks that thread, from wherever it is
called. It never touches what the thread works with.
"""

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self, TypeVar

from penstock.core.command import Command, Reply, WorkerCount
from penstock.core.event import Event
from penstock.core.feedback import Feedback
from penstock.core.map_reader import MapDocument
from penstock.core.parameters import Change
from penstock.core.run import RunState
from penstock.core.trigger_map import TriggerMap
from penstock.errors import PenstockError, StateError
from penstock.monitor.report import NoticeReport, RunReport
from penstock.services.control_desk import ControlDesk
from penstock.services.watching import Watching

__all__ = ["Grown", "Run", "Supervised"]

T = TypeVar("T")
Grown = TriggerMap | StateError
"""A trigger map when something was appended, or why nothing could be."""

ON_REQUEST = "stopped on request"
AT_ONCE = "stopped at once on request"
FORGOTTEN = "nobody held the handle of the run any more"
PROGRAM_ENDED = "the program that had started the run ended"
EXIT_S = 5.0
"""How long a program that ends waits for its runs to close; what is left of them then dies with it."""


class Supervised(Protocol):
    """What is run: everything but ``state.id`` is used from one thread."""

    state: RunState
    desk: ControlDesk
    watching: Watching

    def open(self) -> None:
        """Start everybody."""

    def step(self) -> bool:
        """Wait for something to do, and do it; return whether there will be more."""

    def finish(self, *, keep_views: bool = False) -> RunReport:
        """Close everything, and say how it ended."""

    def forget_views(self) -> None:
        """Let go of the views that were kept."""

    @property
    def is_open(self) -> bool:
        """Whether there is anybody to wait for."""

    def fail(self, error: PenstockError) -> None:
        """Say that the run has failed."""

    def wake_on(self, pollable: int) -> None:
        """Stop waiting when this can be read."""

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        """Change parameters."""

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Change the number of workers."""

    def extend(
        self,
        join: str,
        document: MapDocument,
        then: Callable[[Grown], None],
        *,
        is_last: bool = False,
    ) -> None:
        """Append to an open trigger map."""

    def ask(self, then: Callable[[RunReport], None]) -> None:
        """Have a fresh report brought."""

    def views(self, stage: str) -> Mapping[str, Any]:
        """Return what a stage has published."""

    def events(self, stage: str = "", last: int | None = None, number: int | None = None) -> list[Event]:
        """Return what a stage has kept."""

    def drain(self, reason: str = ...) -> None:
        """Read nothing more."""

    def abort(self, reason: str) -> None:
        """Give everything up."""


class Run:
    """A run beside the caller, as ``Pipeline.start`` returns it.

    Every method may be called from any thread, a notebook's too. Used as a context manager, it waits for the end of
    the run, and ends it at once if its block is left with an exception.

    Trap: keep the handle. A run whose handle has gone is ended at once, and so is one whose program ends.

    Parameters
    ----------
    control
        The run, not open yet; from here on the handle's own.

    Raises
    ------
    PenstockError
        If it cannot begin: as it is written, with the start values given, or because an output cannot be opened.

    Examples
    --------
    >>> from penstock.pipeline import Join, Map, Pipeline, Reduce, Source
    >>> from penstock.testing import engine_cases as cases
    >>> pipeline = Pipeline(
    ...     sources={"a": Source(cases.Frames, n=20), "b": Source(cases.Frames, n=20)},
    ...     events={"scan": Join("a", "b", by="order")},
    ...     stages={"numbers": Map(cases.number, source="scan"), "sum": Reduce(cases.Sum, source="numbers")},
    ... )
    >>> with pipeline.start() as run:
    ...     report = run.wait(timeout_s=30)
    >>> report.outcome, float(run.views("sum")["sum"].array)
    ('finished', 190.0)
    """

    def __init__(self, control: Supervised) -> None:
        self._loop = _Loop(control)
        weakref.finalize(self, self._loop.forget).atexit = False
        self._loop.start()

    def __repr__(self) -> str:
        return f"<Run {self.id}: {'running' if self.is_running else self._loop.ended.result().outcome}>"

    @property
    def id(self) -> str:
        """Of the run."""
        return self._loop.id

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return not self._loop.ended.done()

    def set(self, values: Mapping[str, Any] | None = None, /, *, who: str = "", **by_name: Any) -> Change:
        """Change parameters, all of them from the next event on, and return from which one that is.

        Every event sees either all old values or all new ones, at every worker and in every stage; its results name
        the revision they were made with.

        Parameters
        ----------
        values
            By address, ``stage.step.name``, or by any shorter form that is clear.
        who
            Kept with the change.
        **by_name
            The same, for names without dots.

        Raises
        ------
        ParameterError
            If one is unknown or refused; then none is changed.
        StateError
            If the run has ended, or ends before it can say from which event on.
        """
        wanted = {**(values or {}), **by_name}

        def ask(control: Supervised, then: Callable[[Change], None]) -> None:
            control.set(wanted, then, who=who)

        return self._loop.ask(ask)

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Let a map stage have so many workers from now on; ``"auto"``: as many as there is work for.

        That is for a stage with limits, ``workers: {from: 1, to: 8}``, which is kept at a number until then. New ones
        join when they are made; those that leave first finish what they were given. It does not wait for either:
        ``statistics`` says who is there.

        Raises
        ------
        PenstockError
            If there is no such stage, or it cannot have so many.
        StateError
            If the run has ended.
        """
        self._loop.call(lambda control: control.scale(stage, workers))

    def extend(self, join: str, trigger_map: MapDocument = MappingProxyType({}), /, *, last: bool = False) -> int:
        """Append to the open trigger map of a join, and return how many events are planned now.

        What instruments sent before the map had grown to it has waited, and is formed at once.

        Parameters
        ----------
        join
            One by trigger map, with ``open: true``.
        trigger_map
            As in a map's file; its sequence may also name parts that the map has already.
        last
            Whether nothing more will be appended; a map that stays open keeps the run waiting for more.

        Raises
        ------
        MapError
            With every mistake, and where it is; or if the map is closed. Then nothing has changed.
        ServiceError
            If no such join is by trigger map.
        StateError
            If the run, or this join of it, has ended.
        """

        def ask(control: Supervised, then: Callable[[Grown], None]) -> None:
            control.extend(join, trigger_map, then, is_last=last)

        grown = self._loop.ask(ask)
        if isinstance(grown, StateError):
            raise grown
        return grown.length or 0

    def command(
        self,
        name: str,
        target: str = "",
        /,
        *,
        id: str = "",  # noqa: A002 - the glossary's word
        who: str = "",
        **arguments: Any,
    ) -> Reply:
        """Command the run, as an operator does from outside, and return the reply; a refusal is no exception.

        Parameters
        ----------
        name
            ``start``, ``stop``, ``status``, …: see `penstock.core.command.COMMANDS`.
        target
            A source, a stage, a worker or an alarm; by default the pipeline.
        id
            The same id again gives the same reply, and does nothing twice.
        who
            Kept with the command.
        **arguments
            Those of the command.

        Examples
        --------
        >>> run.command("stop-data", "camera").text  # doctest: +SKIP
        'camera held'
        """
        command = Command(name=name, target=target, id=id, who=who, arguments=arguments)

        def ask(control: Supervised, then: Callable[[Reply], None]) -> None:
            control.desk.take(command, then, door="python")

        try:
            return self._loop.ask(ask)
        except StateError:
            return self._loop.last_reply(command)

    def statistics(self) -> RunReport:
        """Return books, rates, latencies, memory and processes as they are now; after the end, the last ones.

        At every instant what came in over an edge is in one account or in flight.
        """

        def ask(control: Supervised, then: Callable[[RunReport], None]) -> None:
            control.ask(then)

        try:
            return self._loop.ask(ask)
        except StateError:
            return self._loop.ended.result()

    def feedback(self, after: int = 0) -> list[Feedback]:
        """Return what user code has said back to the scan, with numbers above this one; after the end too.

        Of a run the last 10 000 are kept.
        """
        try:
            return self._loop.call(lambda control: control.watching.feedback.since(after))
        except StateError:
            return self._loop.control.watching.feedback.since(after)

    def notices(self, level: str = "log", most: int = 1000) -> list[NoticeReport]:
        """Return the last notices at least so grave, the newest last; after the end too.

        Raises
        ------
        ValueError
            If there is no such level.
        """
        try:
            return self._loop.call(lambda control: control.watching.notices(level, most))
        except StateError:
            return self._loop.control.watching.notices(level, most)

    def history(
        self, names: Collection[str] | None = None, *, since_s: float | None = None, most: int = 300
    ) -> dict[str, Any]:
        """Return how numbers were: ``times`` in s since 1970 UTC, ``series`` by name, and all ``names`` there are.

        After the end too. There is a point every second of the last hour, every minute of the last day, and every ten
        minutes of the last week; what is older, or was not known then, is ``None``.

        Parameters
        ----------
        names
            Of which numbers, as ``edge.camera.fit.arrived``; by default of all.
        since_s
            For how long back, in s; by default as far as is known.
        most
            Points at most, evenly chosen.
        """
        try:
            return self._loop.call(lambda control: control.watching.past(names, since_s=since_s, most=most))
        except StateError:
            return self._loop.control.watching.past(names, since_s=since_s, most=most)

    def views(self, stage: str) -> Mapping[str, Any]:
        """Return a copy of what a reduce stage published last: of every event up to some number, and of no other.

        It can be had after the end too.

        Raises
        ------
        KeyError
            If no reduce stage has this name.
        """
        try:
            return self._loop.call(lambda control: control.views(stage))
        except StateError:
            return self._loop.last_views(stage)

    def events(self, stage: str = "", *, last: int | None = None, number: int | None = None) -> list[Event]:
        """Return the last events that a stage with ``keep-events`` has kept, the oldest first; also after the end.

        They are what user code gets, with arrays of their own; what came compressed is decoded when it is asked for.

        Parameters
        ----------
        stage
            By default the only one that keeps any.
        last
            So many of the newest; by default all there are.
        number
            Only this one.

        Raises
        ------
        SelectionError
            If no such stage keeps events, or it is not clear which.
        """
        try:
            return self._loop.call(lambda control: control.events(stage, last, number))
        except StateError:
            return self._loop.last_events(stage, last, number)

    def stop(self, reason: str = ON_REQUEST) -> None:
        """Read nothing more, bring out what has arrived, and end; it does not wait for that. Afterwards: nothing."""
        self._tell(lambda control: control.drain(reason))

    def abort(self, reason: str = AT_ONCE) -> None:
        """Give everything up that is under way, and end; it does not wait for that. Afterwards: nothing."""
        self._tell(lambda control: control.abort(reason))

    def wait(self, timeout_s: float | None = None) -> RunReport:
        """Wait for the end, and say how it was; a run that failed is no exception, ``reasons`` says why.

        Raises
        ------
        TimeoutError
            If it has not ended by then; it goes on.
        """
        try:
            return self._loop.ended.result(timeout_s)
        except FutureTimeoutError:
            text = f"run {self.id} has not ended within {timeout_s:g} s; it goes on: stop it, or wait again"
            raise TimeoutError(text) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort(f"its block was left with {kind.__name__}")
        try:
            self.wait()
        except KeyboardInterrupt:
            self.abort()
            self.wait()
            raise

    def _tell(self, command: Callable[[Supervised], None]) -> None:
        with suppress(StateError):  # it has ended, which was wanted
            self._loop.call(command)


class _Loop:
    """The thread of one run, and what it was asked to do."""

    def __init__(self, control: Supervised) -> None:
        self.control = control
        self.id = control.state.id
        self.ended: Future[RunReport] = Future()
        self._opened: Future[None] = Future()
        self._lock = threading.RLock()  # again by one thread: a handle may be collected anywhere
        self._asked: deque[Callable[[], None]] = deque()
        self._unanswered: set[Future[Any]] = set()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._has_ended = self._is_forgotten = False
        control.wake_on(self._wake)
        self._thread = threading.Thread(target=self._live, name=f"penstock run {self.id}", daemon=True)

    def start(self) -> None:
        """Begin, and wait until everybody is there; raises what opening raises."""
        atexit.register(self._end_with_program)
        self._thread.start()
        try:
            self._opened.result()
        except BaseException:
            self.end_soon(AT_ONCE)  # somebody lost patience; nothing if it is over anyway
            raise

    def call(self, command: Callable[[Supervised], T]) -> T:
        """Have the thread do something, and return what it returns or raise what it raises.

        Raises
        ------
        StateError
            If the run has ended.
        """
        answer: Future[T] = Future()
        self._put(answer, lambda: answer.set_result(command(self.control)))
        return self._answer(answer)

    def ask(self, command: Callable[[Supervised, Callable[[T], None]], None]) -> T:
        """Have the thread ask something that is answered later; raises what ``call`` does."""
        answer: Future[T] = Future()
        self._put(answer, lambda: command(self.control, partial(_settle, answer)))
        return self._answer(answer)

    def last_views(self, stage: str) -> Mapping[str, Any]:
        """Return what a stage had published when the run ended."""
        self.ended.result()
        with self._lock:
            return self.control.views(stage)

    def last_events(self, stage: str, last: int | None, number: int | None) -> list[Event]:
        """Return what a stage had kept when the run ended."""
        self.ended.result()
        with self._lock:
            return self.control.events(stage, last, number)

    def last_reply(self, command: Command) -> Reply:
        """Return what is answered to a command when the run has ended."""
        self.ended.result()
        answer: Future[Reply] = Future()
        with self._lock:
            self.control.desk.take(command, partial(_settle, answer), door="python")
        if not answer.done():  # it broke before it could say that it has ended
            raise StateError(f"run {self.id} has ended")
        return answer.result()

    def end_soon(self, reason: str) -> None:
        """Have the run aborted; waits for nothing."""
        with suppress(StateError):
            self._put(Future(), lambda: self.control.abort(reason))

    def forget(self) -> None:
        """Have the run aborted, and nothing kept of it; waits for nothing."""
        self.end_soon(FORGOTTEN)
        with self._lock:
            self._is_forgotten = True
            if self._has_ended:
                self.control.forget_views()

    def _answer(self, answer: "Future[T]") -> T:
        try:
            return answer.result()
        finally:
            with self._lock:
                self._unanswered.discard(answer)

    def _put(self, answer: "Future[Any]", command: Callable[[], None]) -> None:
        def do() -> None:
            try:
                command()
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                answer.set_exception(error)

        with self._lock:
            if self._has_ended:
                raise StateError(f"run {self.id} has ended")
            self._unanswered.add(answer)
            self._asked.append(do)
            os.eventfd_write(self._wake, 1)

    def _live(self) -> None:
        try:
            report = self._run()
        except BaseException as error:  # noqa: BLE001 - the outermost edge of a thread: whoever waits raises it
            with suppress(Exception):
                self.control.finish()
            self._end()
            self.ended.set_exception(error)
            _settle_with(self._opened, error)
        else:
            self._end()
            self.ended.set_result(report)

    def _run(self) -> RunReport:
        control = self.control
        control.open()
        self._opened.set_result(None)
        try:
            while control.step():
                self._obey()
        except PenstockError as error:
            control.fail(error)
            with suppress(PenstockError):
                while control.is_open and control.step():
                    self._obey()
        return control.finish(keep_views=True)

    def _obey(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        while self._asked:
            self._asked.popleft()()

    def _end(self) -> None:
        """Answer what nobody will answer any more."""
        atexit.unregister(self._end_with_program)
        with self._lock:
            self._has_ended = True
            os.close(self._wake)
            self._asked.clear()
            unanswered, self._unanswered = self._unanswered, set()
            if self._is_forgotten:
                self.control.forget_views()
        for answer in unanswered:
            _settle_with(answer, StateError(f"run {self.id} ended before it could answer"))

    def _end_with_program(self) -> None:
        self.end_soon(PROGRAM_ENDED)
        self._thread.join(EXIT_S)


def _settle(answer: "Future[T]", value: T) -> None:
    if not answer.done():
        answer.set_result(value)


def _settle_with(answer: "Future[Any]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
