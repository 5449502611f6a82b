"""A simulation in a process of its own: started, asked for its address and its report, and never left behind."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Self

import msgspec

from penstock.errors import CheckError, PenstockError, ProcessError, SourceError
from penstock.services.interrupt import Interrupt
from penstock.services.simulation import Setup, Simulation, SimulationReport

__all__ = ["Simulated", "main"]

START_S = 60.0
"""How long a process may take until it has bound its address; one that is up sooner is not waited for."""
STOP_S = 10.0
"""How long it may take to end in good order."""


class Simulated:
    """While this is entered, a process of its own plays the instrument; afterwards it is gone.

    It is started at once and waited for only when its address is asked for, so that several start together. It dies
    with this process, whatever this one dies of. It does not hear a Ctrl-C of the terminal: whoever entered this
    decides when it ends.

    Parameters
    ----------
    setup
        What is simulated.

    Raises
    ------
    CheckError
        If the setup is wrong; every mistake is named.
    """

    def __init__(self, setup: Setup) -> None:
        if problems := setup.problems():
            raise CheckError(problems)
        self.setup = setup
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._opened: SimulationReport | None = None
        self._report: SimulationReport | None = None

    def __enter__(self) -> Self:
        words = [msgspec.json.encode(self.setup).decode(), str(os.getpid())]
        program = "from penstock.services.simulated import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        try:
            process.send_signal(signal.SIGTERM)  # nothing, once it has ended
            self._wait(STOP_S)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            self._process = None

    @property
    def address(self) -> str:
        """Where it is reached, with the port that was taken; waits until that is known.

        Raises
        ------
        SourceError
            If the port is in use, or the address is not this machine's.
        ProcessError
            If the process ended without a word, or says nothing for a minute.
        """
        if self._opened is None:
            self._opened = self._next_report(START_S)
        if self._opened is None:
            how = "has not begun" if self._process and self._process.poll() is None else "ended before it began"
            raise ProcessError(f"the simulated {self.setup.instrument} {how}; what it printed says why")
        if self._opened.state == "failed":
            raise SourceError(self._opened.text)
        return self._opened.address

    @property
    def report(self) -> SimulationReport | None:
        """How it ended; ``None`` while it has not, and for a process that was killed."""
        return self._report

    def wait(self, timeout_s: float) -> SimulationReport | None:
        """Wait until everything is sent; return its report, ``None`` if that took longer.

        Raises
        ------
        SourceError, ProcessError
            If it could not begin; see `address`.
        """
        _ = self.address
        self._wait(timeout_s)
        return self._report

    def _wait(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        if self._opened is None:
            self._opened = self._next_report(timeout_s)
        if self._report is None and self._opened is not None:
            left = max(0.0, deadline - time.monotonic())
            self._report = self._opened if self._opened.state == "failed" else self._next_report(left)

    def _next_report(self, timeout_s: float) -> SimulationReport | None:
        """Read one line; ``None`` if none came in time or the process has ended."""
        if self._process is None or self._process.stdout is None:
            return None
        deadline = time.monotonic() + timeout_s
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._unread:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            piece = os.read(pipe, 1 << 16)
            if not piece:
                return None
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return msgspec.json.decode(line, type=SimulationReport)


def main() -> None:
    """Be the process: bind, say where, send everything, say what was sent."""
    written, parent = sys.argv[1:]
    _die_with_process(int(parent))
    with Interrupt() as interrupt:
        simulation = Simulation(msgspec.json.decode(written, type=Setup))
        try:
            simulation.open()
        except PenstockError as error:
            _say(msgspec.structs.replace(simulation.report, state="failed", text=str(error)))
            sys.exit(1)
        _say(simulation.report)
        report = simulation.run(interrupt)
    _say(report)
    sys.exit(report.exit_code)


def _say(report: SimulationReport) -> None:
    os.write(sys.stdout.fileno(), msgspec.json.encode(report) + b"\n")


def _die_with_process(parent: int) -> None:
    """End this process when its parent ends.

    Not by the kernel's own signal for that, which means the thread that started this one and not its process.
    """
    try:
        pidfd = os.pidfd_open(parent)
    except ProcessLookupError:
        os._exit(1)
    if os.getppid() != parent:  # it ended before it was watched, and another has its number
        os._exit(1)

    def watch() -> None:
        select.select([pidfd], [], [])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
