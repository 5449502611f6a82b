"""A program that is started for each item, without a shell."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Lock
from typing import Any, ClassVar

from penstock.elements.program import Program
from penstock.elements.program_call import ProgramCall
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import ProcessError, SinkError

__all__ = ["CommandSink"]


class CommandSink(Sink):
    """Start a program for each item, and be done with the item when it has ended with code 0.

    No shell reads the arguments: whatever a value holds, quotes, ``;``, ``$(…)`` or line ends, it stays within the one
    argument that it is filled in. A value at the beginning of an argument that begins with ``-`` would be taken for an
    option, and is refused, unless ``--`` stands before it in ``argv`` or its option with it (``--title={name}``). A
    field in what a shell, given in ``argv``, is to execute is refused, too. Trap: there are other programs that execute
    what they are given, such as ``python -c`` or ``ssh``, which nobody here knows of.

    Its standard output is thrown away, and what it writes to standard error is told if it fails.

    ::

        sinks:
          alarm: {use: command, from: watch, argv: [logger, -t, beam, --, "I0 is {I0}"]}

    >>> from penstock.elements import RunFacts
    >>> sink = CommandSink(["sh", "-c", "exit 3"])
    >>> sink.open(RunFacts(pipeline="p", run="r1"))
    >>> sink.write(None)
    Traceback (most recent call last):
    ...
    penstock.errors.SinkError: sh ended with code 3
    >>> sink.close(False)

    Parameters
    ----------
    argv
        The program, on ``PATH`` or by its path from the pipeline's folder, in which it runs, and its arguments. In
        these, ``{field}`` is a field of the item, ``{}`` the item.
    stdin
        What it reads: a text with ``{field}``, or ``json``, the item as one line of JSON.
    timeout_s
        How long it may take, in s; then it is killed, with what it has started.
    at_once
        How many may run at the same time. With more than one, they end in any order, and a failure is told with one of
        the next items, or at the end.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    may_wait: ClassVar[bool] = True

    def __init__(
        self, argv: Sequence[str | int | float], stdin: str = "", timeout_s: float = 60.0, at_once: int = 1
    ) -> None:
        if at_once < 1:
            raise ValueError(f"at_once is {at_once}; write how many may run at the same time, at least 1")
        self._program = Program(argv, stdin, timeout_s)
        self._at_once = at_once
        self._places = BoundedSemaphore(at_once)
        self._lock = Lock()
        self._failures: list[ProcessError] = []
        self._threads: ThreadPoolExecutor | None = None

    def open(self, run: RunFacts) -> None:
        """Find the program; see the base."""
        try:
            self._program.find(run.folder)
        except ProcessError as error:
            raise SinkError(str(error)) from error
        if self._at_once > 1:
            self._threads = ThreadPoolExecutor(self._at_once, thread_name_prefix=self._program.name)

    def write(self, item: Any) -> None:
        """Start it, and wait for its end, or only for a place if several may run at once; see the base."""
        self._tell()
        try:
            call = self._program.call(item, wants_output=False)
        except (LookupError, TypeError, ValueError) as error:
            raise SinkError(str(error)) from error
        if self._threads is None:
            self._run(call)
            self._tell()
            return
        self._places.acquire()
        try:
            self._threads.submit(self._run_in_its_place, call)
        except BaseException:
            self._places.release()
            raise

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - what was started ends, however
        """Wait for those that run, none of them longer than it may take; tell if one failed."""
        if self._threads is not None:
            self._threads.shutdown()
        self._tell()

    def _run_in_its_place(self, call: ProgramCall) -> None:
        try:
            self._run(call)
        finally:
            self._places.release()

    def _run(self, call: ProgramCall) -> None:
        try:
            call.run()
        except ProcessError as error:
            with self._lock:
                self._failures.append(error)

    def _tell(self) -> None:
        with self._lock:
            failures, self._failures = self._failures, []
        if failures:
            more = f" (and {len(failures) - 1} more failed)" if failures[1:] else ""
            raise SinkError(f"{failures[0]}{more}") from failures[0]
