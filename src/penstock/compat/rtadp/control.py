"""The attendant of a process of rta-dp: obeys its commands, publishes its states, and measures once a second.

Nothing here waits: commands are taken as they lie ready, messages that nobody takes are counted, and what is no command
is counted and named in the log.
"""

import os
import resource
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.compat.rtadp.crew import Crew, Process, crew_of, leave
from penstock.compat.rtadp.gauge import Gauge, Watched, state_of_stage
from penstock.compat.rtadp.messages import (
    Command,
    Configuration,
    Notice,
    NoticeKind,
    ProcessUse,
    decode,
    encode_measured,
    encode_notice,
)
from penstock.compat.rtadp.raised import raised
from penstock.compat.rtadp.station import Act, Deed, Measure, Say, Station, Step
from penstock.compat.rtadp.worker import MOST_BYTES, configurations_of
from penstock.core.run import Outcome
from penstock.elements.attendant import Attendant, Attended
from penstock.elements.losses import Losses
from penstock.errors import PenstockError, RemoteProtocolError
from penstock.extra import extra
from penstock.monitor.report import RunReport

with extra("run"):
    import zmq

__all__ = ["Control"]

PERIOD_S: Final = 1.0
AT_ONCE: Final = 100
"""Commands that are taken before the run goes on; the rest when it comes back."""
RECONNECT_MS: Final = 40
MOST_COMMAND_BYTES: Final = 1 << 20
_PAGE: Final = resource.getpagesize()
FAULT: Final = "Fault"
"""Of an analysis that has no worker left, which rta-dp has no word for."""


class Control(Attendant):
    """Commands and monitoring of a process.

    In a pipeline::

        sources:
          control:
            use: penstock.compat.rtadp:Control
            process: {name: RTADP1, config: config.json}
            command: "tcp://127.0.0.1:5568"
            monitoring: "tcp://127.0.0.1:5561"
            analyses:
              - {stage: Rate, name: Rate, group: worker, workers: 2, lanes: {low: low}, sinks: {low: Rate_low}}
            step: Worker

    Parameters
    ----------
    process
        Which process: ``name``, ``config``, and ``supervisor`` or ``uses``.
    command
        Where commands are published.
    monitoring
        Where a monitor listens.
    analyses
        Of each its stage, name, group and number of workers, and by lane what it reads and which sinks it has.
    step
        The name of the step of each stage in which users' workers are.
    data
        The names of the sources of data.
    """

    folder: str = "."

    def __init__(
        self,
        process: Mapping[str, Any],
        command: str,
        monitoring: str,
        analyses: Sequence[Mapping[str, Any]],
        step: str,
        data: Sequence[str],
    ) -> None:
        self._process = process
        self._command = command
        self._monitoring = monitoring
        self._analyses = analyses
        self._step = step
        self._data = tuple(data)
        self._desk: _Desk | None = None

    def attend(self, run: Attended) -> Sequence[Any]:  # the command socket, and what wakes
        """Listen, hold everything, and say so."""
        self._desk = _Desk(self, run, crew_of(Process.of(self._process, self.folder)))
        self._desk.begin()
        return [self._desk.socket, self._desk.woken]

    def poll(self) -> None:
        """Obey what has come, and measure if it is time."""
        if self._desk is not None:
            self._desk.poll()

    def until_due_s(self) -> float:
        """Return after how long something is to be measured."""
        return float("inf") if self._desk is None else self._desk.until_due_s()

    def leave(self, report: RunReport) -> None:
        """Say how it ended, and close the sockets."""
        if self._desk is not None:
            self._desk.close(report)


@dataclass(slots=True)
class _Use:
    """What the process has used, to say how much that was since the last time."""

    cpu_s: float = 0.0
    at_s: float = 0.0

    def look(self, report: RunReport, now_s: float) -> ProcessUse:
        own = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = own.ru_utime + own.ru_stime + sum(process.cpu_s for process in report.processes)
        took_s = now_s - self.at_s if self.at_s else 0.0
        percent = max(0.0, (cpu_s - self.cpu_s) / took_s * 100) if took_s > 0 else 0.0
        self.cpu_s, self.at_s = cpu_s, now_s
        children = sum(process.private_bytes for process in report.processes)
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - the kernel's, not a path of users'
            size, resident, shared, text, library, data, dirty = (int(n) * _PAGE for n in file.read().split())
        return ProcessUse(
            cpu_percent=round(percent, 1),
            memory_usage=(resident + children, size, shared, text, library, data, dirty),
        )


@dataclass(eq=False, slots=True)
class _Desk:
    """What there is while a run goes on."""

    control: Control
    run: Attended
    crew: Crew
    socket: Any = None  # zmq.Socket[bytes]
    station: Station = field(init=False)
    losses: Losses = field(init=False)
    _gauges: list[Gauge] = field(init=False)
    _due_s: float = 0.0
    _use: _Use = field(default_factory=_Use)
    _kept: deque[tuple[int, str]] = field(default_factory=deque)
    _number: int = 0
    _failures: dict[str, int] = field(default_factory=dict)
    _faults: set[str] = field(default_factory=set)
    woken: int = -1
    """Can be read when somebody in this process asks for something."""

    def __post_init__(self) -> None:
        name = self.control._process["name"]
        self.losses = Losses(f"commands at {self.control._command}")
        watched = [Watched(**{**each, "name": f"{name}-{each['name']}"}) for each in self.control._analyses]
        self._gauges = [Gauge(each) for each in watched]
        self.station = Station(name, [each.name for each in watched])

    def begin(self) -> None:
        self.crew.muster()
        self.woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.crew.supervisor.wake = self._wake
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.MAXMSGSIZE, MOST_COMMAND_BYTES)
        # Whoever sends a command binds, waits 0.3 s until we are there, sends and goes: always soon, and never later.
        self.socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self.socket.subscribe(b"")
        self.socket.connect(self.control._command)
        self._do(self.station.begin())
        self.crew.supervisor.start_service_threads()
        self._due_s = time.monotonic() + PERIOD_S

    def poll(self) -> None:
        supervisor = self.crew.supervisor
        with suppress(BlockingIOError):
            os.eventfd_read(self.woken)
        while supervisor.commands:
            self._obey(supervisor.commands.pop(0))
        for _ in range(AT_ONCE):
            try:
                parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._take(parts)
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = max(self._due_s + PERIOD_S, now_s)
            self._measure("*", now_s)

    def until_due_s(self) -> float:
        return max(0.0, self._due_s - time.monotonic())

    def close(self, report: RunReport) -> None:
        supervisor = self.crew.supervisor
        if self.station.is_ending and self.station.state == "EndingProcessing":
            self._do(self.station.ended())
        elif not self.station.is_ending:
            self._do([step for step in self.station.stop() if isinstance(step, Say)])
        supervisor.continueall = False
        not_taken = supervisor.socket_monitoring.losses.total
        if not_taken:
            supervisor.logger.warning(f"{not_taken} messages found nobody who monitors", extra=supervisor.globalname)
        if self.losses.total:
            supervisor.logger.warning(f"{self.losses.total} messages were no commands", extra=supervisor.globalname)
        supervisor.logger.system(f"{report.outcome}: {'; '.join(report.reasons)}", extra=supervisor.globalname)
        supervisor.wake, woken, self.woken = _wake_nobody, self.woken, -1
        os.close(woken)
        self.socket.close()
        supervisor.socket_monitoring.close()
        supervisor.logger.close()
        leave(supervisor)

    def _wake(self) -> None:
        if self.woken >= 0:
            os.eventfd_write(self.woken, 1)

    # Commands

    def _take(self, parts: Sequence[bytes]) -> None:
        try:
            if len(parts) != 1:
                raise RemoteProtocolError(f"a message of {len(parts)} frames, where a command is one")
            message = decode(parts[0])
        except RemoteProtocolError as error:
            self.losses.add(str(error))
            return
        if isinstance(message, Command):
            self._obey(message)
        elif isinstance(message, Configuration):
            self._configure(message)
        else:
            self.losses.add("no command and no configuration")

    def _obey(self, command: Command) -> None:
        if not self.station.is_meant(command):
            return
        steps = self.station.obey(command)
        if not steps:
            reason = "the process is ending" if self.station.is_ending else "there is no such command"
            self.losses.add(f"{command.subtype[:40]!r} was not obeyed: {reason}")
        self._log(f"{command.subtype[:40]} from {command.pidsource[:80]}")
        try:
            self._do(steps)
        except PenstockError as error:
            self._notice("alarm", self.station.name, f"{command.subtype[:40]}: {error}", level=2)

    def _do(self, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case Say(source, state):
                    self._show()
                    self._notice("info", source, state, level=1, code=1)
                case Measure(target):
                    self._measure(target, time.monotonic())
                case Act(deed):
                    self._act(deed)

    def _act(self, deed: Deed) -> None:
        run = self.run
        match deed:
            case Deed.HOLD_DATA:
                self._each(run.hold, self.control._data)
            case Deed.RELEASE_DATA:
                self._each(run.release, self.control._data)
            case Deed.HOLD_PROCESSING:
                self._each(run.hold, self._stages)
            case Deed.RELEASE_PROCESSING:
                self._each(run.release, self._stages)
            case Deed.DISCARD:
                run.discard(self._note_discarded)
            case Deed.END:
                run.discard(self._end)
            case Deed.END_CLEANLY:
                run.drain("cleanedshutdown", outcome=None)

    def _each(self, call: Any, names: Sequence[str]) -> None:  # hold or release of the run
        for name in names:
            call(name)

    @property
    def _stages(self) -> list[str]:
        return [gauge.watched.stage for gauge in self._gauges]

    def _note_discarded(self, count: int) -> None:
        if count:
            text = f"{count} items were given up, as reset asks for"
            self._log(text)
            self._notice("log", self.station.name, text, level=1)

    def _end(self, count: int) -> None:
        """End when what waited has been given up; what is being worked on is brought out."""
        self._each(self.run.release, self._stages)
        if count:
            self.run.drain(f"shutdown: {count} items were given up", outcome=Outcome.ABORTED)
        else:
            self.run.drain("shutdown", outcome=None)

    def _configure(self, message: Configuration) -> None:
        """Tell all workers; those that come later are told the last ones, too."""
        text = message.text
        if len(text.encode()) > MOST_BYTES:
            why = f"a configuration of {len(text.encode())} bytes, of which {MOST_BYTES} are taken at most"
            self.losses.add(why)
            self._notice("alarm", self.station.name, why, level=2)
            return
        self._number += 1
        self._kept.append((self._number, text))
        while sum(len(each) + 12 for _, each in self._kept) > MOST_BYTES + 12:
            self._kept.popleft()
        written = configurations_of(list(self._kept))
        values = {f"{stage}.{self.control._step}.configurations": written for stage in self._stages}
        try:
            self.run.set(values, _nothing, who=message.pidsource)
        except PenstockError as error:
            self._notice("alarm", self.station.name, f"configuration: {error}", level=2)

    # Monitoring

    def _measure(self, target: str, now_s: float) -> None:
        report, begun = self.run.report(), self.run.begun()
        use = self._use.look(report, now_s)
        station = self.station
        for gauge in self._gauges:
            gauge.look(report, begun, now_s)
            measured = gauge.measured(
                report, self._state(gauge, report), use,
                is_data_stopped=station.is_data_stopped, is_processing=station.is_processing,
            )  # fmt: skip
            message = encode_measured(measured, gauge.name, target, time_s=time.time())
            self.crew.supervisor.socket_monitoring.send(message)
            self._look_for_failures(gauge, report)

    def _state(self, gauge: Gauge, report: RunReport) -> str:
        """Return the state of an analysis; one that can do nothing does not claim to."""
        stage = gauge.watched.stage
        if state_of_stage(report.states, stage) != "fault":
            self._faults.discard(stage)
            return self.station.state_of_analyses
        if stage not in self._faults:
            self._faults.add(stage)
            self._notice("info", gauge.name, FAULT, level=1, code=1)
            self._notice("alarm", gauge.name, "none of its workers can go on", level=3)
        return FAULT

    def _look_for_failures(self, gauge: Gauge, report: RunReport) -> None:
        """Raise an alarm when items have failed since the last time."""
        stage = gauge.watched.stage
        count = sum(step.failed for step in report.steps if step.stage == stage)
        new = count - self._failures.get(stage, 0)
        self._failures[stage] = count
        if new > 0:
            causes = [str(failure["cause"]) for failure in report.failures if failure["stage"] == stage]
            last = f", the last one: {causes[-1]}" if causes else ""
            self._notice("alarm", gauge.name, f"{new} {'item' if new == 1 else 'items'} failed{last}", level=2)

    def _notice(self, kind: NoticeKind, source: str, text: str, *, level: int, code: int = 0) -> None:
        notice = Notice(kind=kind, pidsource=source, level=level, code=code, message=text, time_s=time.time())
        self.crew.supervisor.socket_monitoring.send(encode_notice(notice))
        if kind != "info":  # a state, of which the pipeline has its own
            raised(notice)

    def _log(self, text: str) -> None:
        self.crew.supervisor.logger.system(text, extra=self.crew.supervisor.globalname)

    def _show(self) -> None:
        """Let users' classes see the state."""
        supervisor, station = self.crew.supervisor, self.station
        supervisor.status = station.state
        supervisor.stopdata = station.is_data_stopped
        supervisor.processdata = int(station.is_processing)
        for manager in supervisor.manager_workers:
            manager.status = station.state_of_analyses
            manager.stopdata = station.is_data_stopped
            manager.processdata = int(station.is_processing)


def _nothing(_: object) -> None: ...


def _wake_nobody() -> None: ...
