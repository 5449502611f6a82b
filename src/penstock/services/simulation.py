"""A simulated instrument on a real socket: a scan, point by point, at a pace, with what is to go wrong.

What is sent comes from a simulator; here it is only sent, waited for and counted.
"""

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import msgspec

from penstock.errors import CheckError, PenstockError, Problem, SourceError
from penstock.services.find_simulator import find_simulator
from penstock.services.outlets import Outlet, outlet
from penstock.services.simulator_call import call_simulator, packets_of
from penstock.simulators.faults import Disconnect, Faults, Injector, Instruction, Send, Silence
from penstock.simulators.simulator import Packets, Simulator
from penstock.simulators.xrf_scan import SEED, XrfScan
from penstock.transport.address import check_address, host_and_port

__all__ = ["ANY_PORT", "Setup", "Simulation", "SimulationReport", "Stop"]

ANY_PORT = "tcp://127.0.0.1:0"
PATIENCE_S = 0.2
"""How long one attempt may take before a stop is looked for and progress is told again."""
FAREWELL_S = 1.0
"""How long after a stop it is tried to bring out what has been sent."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated, where, how fast, and what goes wrong."""

    instrument: str
    """A simulator of those that come with penstock, or ``module:class``, from the current folder or installed."""
    rows: int
    columns: int
    seed: int = SEED
    """Of all that is chance, from 0; the n-th scan, from 0, has ``seed + n``."""
    series: int = 1
    """How many scans are sent, one after the other."""
    rate_hz: float = 0.0
    """Points per second, on the clock: what was held up is made up for. 0 is as fast as they are taken, and where that
    cannot be seen, 100 for EPICS and 10 for Tango."""
    faults: str = ""
    """As `Faults.parse` reads it."""
    compression: str = ""
    """How frames are compressed, one of the simulator's `compressions`; empty for not at all."""
    address: str = ANY_PORT
    """Where to bind; port 0 takes any that is free."""
    wait_s: float = 60.0
    """How long to wait for whoever is to receive, at the beginning, after a disconnect, when nothing is taken any
    more, and at the end for what is still to be sent."""
    peers: int = 1
    """How many must be there before it begins; a TCP server has one client."""

    @property
    def points(self) -> int:
        """How many points are sent if nothing goes wrong, over all scans."""
        return self.rows * self.columns * self.series

    def problems(self) -> list[Problem]:
        """Return every mistake at once."""
        found = [
            Problem(where=name, text=f"{value:g} is too small", remedy=f"write {least} or more")
            for name, value, least in (
                ("rows", self.rows, 1), ("columns", self.columns, 1), ("seed", self.seed, 0),
                ("series", self.series, 1), ("peers", self.peers, 1),
            ) if value < least
        ]  # fmt: skip
        for name, value in (("rate_hz", self.rate_hz), ("wait_s", self.wait_s)):
            if not (value >= 0 and math.isfinite(value)):
                found.append(Problem(where=name, text=f"{value:g} cannot be", remedy="write a number from 0"))
        return found + self._wrong_faults() + self._wrong_instrument()

    def _wrong_faults(self) -> list[Problem]:
        try:
            found = Faults.parse(self.faults).beyond(self.points)
        except CheckError as error:
            found = list(error.problems)
        return [_below("faults", problem) for problem in found]

    def _wrong_instrument(self) -> list[Problem]:
        try:
            simulator = find_simulator(self.instrument)
        except CheckError as error:
            return [Problem(where="instrument", text=each.text, remedy=each.remedy) for each in error.problems]
        kind, known = simulator.socket, simulator.compressions
        if simulator.spoilable == 0 and "corrupt=" in self.faults:
            text = f"{self.instrument} says numbers, of which nobody could see that they are wrong"
            return [Problem(where="faults.corrupt", text=text, remedy="leave it out")]
        if self.compression and self.compression not in known:
            remedy = f"write one of {', '.join(known)}" if known else "leave it out"
            text = f"{self.instrument} cannot compress by {self.compression!r}"
            return [Problem(where="compression", text=text, remedy=remedy)]
        try:
            (host_and_port if kind in ("tcp", "post", "pva", "kafka", "tango") else check_address)(self.address)
        except SourceError as error:
            return [Problem(where="address", text=str(error))]
        if kind == "post" and self.address.endswith(":0"):
            text = f"{self.instrument} posts to a pipeline, so it must be told where that listens"
            return [Problem(where="address", text=text, remedy="write tcp://127.0.0.1:PORT, with the source's port")]
        if kind == "kafka" and self.address != ANY_PORT:
            text = f"{self.instrument} brings its own broker, which takes any free port"
            return [Problem(where="address", text=text, remedy="leave it out")]
        if kind == "kafka" and "disconnect" in self.faults:
            text = f"{self.instrument} would take its broker with it, and all that is there"
            return [Problem(where="faults.disconnect", text=text, remedy="leave it out")]
        if kind in ("tcp", "post") and self.peers > 1:
            return [Problem(where="peers", text=f"{self.instrument} serves one client", remedy="write 1")]
        return []


class SimulationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent, and what went wrong on purpose."""

    instrument: str
    address: str
    state: str
    """``waiting`` for whoever is to receive, ``running``, ``finished``, ``aborted`` or ``failed``."""
    points: int
    """Of the scans that were to be sent, with those of `Setup.series`."""
    triggered: int
    """Points whose turn has come, whether their frame was sent or not."""
    frames: int
    """Sent: spoilt ones too, doubled ones twice."""
    packets: int
    """Sent: those of frames, starts and ends, and what a client is told when it comes."""
    bytes: int
    """Of parts."""
    seconds: float
    """Since the receiver was there."""
    injected: dict[str, int]
    """How often each fault happened."""
    text: str = ""
    """Why it failed or was aborted."""

    @property
    def exit_code(self) -> int:
        """Return the code a command ends with."""
        return {"finished": 0, "aborted": 130}.get(self.state, 1)


class Stop(Protocol):
    """Whoever may ask for an end, such as an `Interrupt`."""

    is_asked: bool


class _StopAskedError(Exception):
    """Unwinds a simulation that is to stop."""


class Simulation:
    """Send the scans of a setup, to whoever connects.

    It loses nothing but what its faults say: it waits for the receiver, and for room. With ``open`` the address is
    known; ``run`` may then be called in another thread.

    Parameters
    ----------
    setup
        What is simulated.
    progress
        Called a few times a second while it runs.

    Raises
    ------
    CheckError
        If the setup is wrong; every mistake is named.
    """

    def __init__(self, setup: Setup, progress: Callable[[], None] = lambda: None) -> None:
        if problems := setup.problems():
            raise CheckError(problems)
        self.setup = setup
        self._progress = progress
        self._make = find_simulator(setup.instrument)
        self._injector = Injector(Faults.parse(setup.faults), setup.seed, setup.instrument, self._make.spoilable)
        self._address = setup.address
        self._outlet: Outlet = self._new_outlet()
        self._stop: Stop | None = None
        self._is_stopped = threading.Event()
        self._is_stuck = False
        self._state, self._text = "waiting", ""
        self._begun: float | None = None
        self._ended: float | None = None
        self._zero = self._told = 0.0
        self._triggered = self._frames = self._packets = self._bytes = 0

    @property
    def address(self) -> str:
        """Where it is reached; once it is open, with the port that was taken."""
        return self._address

    @property
    def socket(self) -> str:
        """``push``, ``pub`` or ``tcp``."""
        return self._make.socket

    @property
    def report(self) -> SimulationReport:
        """Return what has been sent by now."""
        return SimulationReport(
            instrument=self.setup.instrument,
            address=self._address,
            state=self._state,
            points=self.setup.points,
            triggered=self._triggered,
            frames=self._frames,
            packets=self._packets,
            bytes=self._bytes,
            seconds=self._seconds,
            injected=dict(self._injector.counts),
            text=self._text,
        )

    def open(self) -> None:
        """Bind.

        Raises
        ------
        SourceError
            If the port is in use, or the address is not this machine's.
        """
        self._outlet.open()
        self._address = self._outlet.address

    def run(self, stop: Stop | None = None) -> SimulationReport:
        """Wait for the receiver, send everything, close, and return the report; what fails is said there.

        Parameters
        ----------
        stop
            Asks for an end, like `stop`: the instrument then says its end early. ``KeyboardInterrupt`` is raised on.
        """
        self._stop = stop
        try:
            self._send_and_close()
        except KeyboardInterrupt:
            self._state, self._text = "aborted", "stopped at once"
            raise
        finally:
            self._ended = time.monotonic()
        return self.report

    def stop(self) -> None:
        """Ask for an end, from any thread."""
        self._is_stopped.set()

    def close(self) -> None:
        """Close what was opened and never run."""
        self._outlet.close(0)

    @property
    def _seconds(self) -> float:
        if self._begun is None:
            return 0.0
        return round((time.monotonic() if self._ended is None else self._ended) - self._begun, 3)

    @property
    def _is_stop_asked(self) -> bool:
        return self._is_stopped.is_set() or (self._stop is not None and self._stop.is_asked)

    @property
    def _points_a_scan(self) -> int:
        return self.setup.rows * self.setup.columns

    # The scans

    def _send_and_close(self) -> None:
        linger_s = 0.0
        try:
            self._send_everything()
            self._state, linger_s = "finished", self.setup.wait_s
        except _StopAskedError:
            self._state, self._text, linger_s = "aborted", "stopped before the end", FAREWELL_S
        except PenstockError as error:
            self._state, self._text = "failed", str(error)
        finally:
            self._outlet.close(linger_s)
        if self._state == "finished" and self._is_stop_asked:  # which ends the wait in close
            self._state, self._text = "aborted", "stopped before everything was taken"

    def _send_everything(self) -> None:
        self._wait_for_peers("nobody came to receive")
        self._state = "running"
        self._begun = self._zero = time.monotonic()
        for number in range(self.setup.series):
            scan = XrfScan(self.setup.rows, self.setup.columns, self.setup.seed + number)
            simulator = call_simulator(self._make, scan)
            if self.setup.compression:
                simulator.compression = self.setup.compression
            if number and self._make.closes:
                before = time.monotonic()
                self._serve_the_next("nobody came back for the next scan of")
                self._zero += time.monotonic() - before
            if not number or self._make.closes:
                self._send(packets_of(simulator.connected, under_way=False))
            self._send_scan(simulator)

    def _send_scan(self, simulator: Simulator) -> None:
        first = self._triggered
        self._send(packets_of(simulator.start))
        try:
            for point in range(self._points_a_scan):
                self._look()
                self._wait_for_turn()
                packets = packets_of(simulator.point, point)
                self._triggered += 1
                for instruction in self._injector.feed(first + point, packets):
                    self._follow(instruction, simulator)
            for instruction in self._injector.finish():
                self._follow(instruction, simulator)
        except _StopAskedError:
            self._say_farewell(simulator, self._triggered - first)
            raise
        self._send(packets_of(simulator.end, self._points_a_scan))

    def _follow(self, instruction: Instruction, simulator: Simulator) -> None:
        before = time.monotonic()
        if isinstance(instruction, Silence):
            self._sleep_until(before + instruction.s)
        elif isinstance(instruction, Disconnect):
            self._come_back(simulator)
        else:
            self._send(instruction.packets)
            self._frames += 1
            return
        self._zero += time.monotonic() - before  # what was not triggered meanwhile is not made up for

    def _come_back(self, simulator: Simulator) -> None:
        self._serve_the_next("nobody came back after the disconnect to receive")
        self._send(packets_of(simulator.connected, under_way=True))

    def _serve_the_next(self, nobody: str) -> None:
        """Close the connection and wait for another at the same address."""
        self._is_stuck = True  # while nobody is there, there is nobody to say an end to
        self._outlet.close(self.setup.wait_s)
        self._outlet = self._new_outlet()
        self._outlet.open()
        self._wait_for_peers(nobody)
        self._is_stuck = False

    def _say_farewell(self, simulator: Simulator, points: int) -> None:
        """Send what was held back and the end, unless nobody takes them."""
        if self._is_stuck:
            return
        with suppress(SourceError):  # whoever received has stopped too
            for instruction in self._injector.finish():
                if not isinstance(instruction, Send) or not self._try(instruction.packets):
                    return
                self._frames += 1
            self._try(packets_of(simulator.end, points))

    def _try(self, packets: Packets) -> bool:
        for parts in packets:
            if not self._outlet.send(parts, PATIENCE_S):
                return False
            self._count(parts)
        return True

    # The socket and the clock

    def _new_outlet(self) -> Outlet:
        kind, greeting = self._make.socket, self._make.greeting
        return outlet(kind, self._address, peers=self.setup.peers, greeting=greeting, idle=self._make.idle)

    def _wait_for_peers(self, nobody: str) -> None:
        deadline = time.monotonic() + self.setup.wait_s
        while not self._outlet.wait(PATIENCE_S):
            self._look()
            if time.monotonic() > deadline:
                raise SourceError(
                    f"{self._address}: {nobody} {self.setup.instrument} within {self.setup.wait_s:g} s; "
                    "start the other side, or wait longer"
                )

    def _send(self, packets: Packets) -> None:
        for parts in packets:
            deadline = time.monotonic() + self.setup.wait_s
            while not self._outlet.send(parts, PATIENCE_S):
                self._is_stuck = True
                self._look()
                if time.monotonic() > deadline:
                    raise SourceError(
                        f"{self._address}: whoever receives {self.setup.instrument} has taken nothing for "
                        f"{self.setup.wait_s:g} s; see whether it still reads, or wait longer"
                    )
            self._is_stuck = False
            self._count(parts)

    def _count(self, parts: list[bytes]) -> None:
        self._packets += 1
        self._bytes += sum(map(len, parts))

    def _wait_for_turn(self) -> None:
        if rate_hz := self.setup.rate_hz or self._make.usual_hz:
            self._sleep_until(self._zero + self._triggered / rate_hz)

    def _sleep_until(self, instant: float) -> None:
        while (left := instant - time.monotonic()) > 0:
            self._is_stopped.wait(min(left, PATIENCE_S))
            self._look()

    def _look(self) -> None:
        """Tell progress now and then; go no further if somebody has asked for an end."""
        if self._is_stop_asked:
            raise _StopAskedError
        if (now := time.monotonic()) - self._told >= PATIENCE_S:
            self._told = now
            self._progress()


def _below(where: str, problem: Problem) -> Problem:
    path = f"{where}.{problem.where}" if problem.where else where
    return Problem(where=path, text=problem.text, remedy=problem.remedy)
