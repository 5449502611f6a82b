"""Several pipelines of one machine, each in a process of its own: started, watched, started again, stopped.

It is used from one thread, that of the program: what it starts dies with that. It reads no pipeline; whether one is
right its own process says.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from penstock.core.restart_budget import RestartBudget, Restarts
from penstock.core.states import Lifecycle, State
from penstock.errors import ProcessError
from penstock.services.own_process import PARENT

__all__ = ["KeptPipeline", "Upkeep", "UpkeepPlan"]

COMMAND: Final = (sys.executable, "-c", "from penstock.cli.start import main; main()")
RETRIED: Final = frozenset({1, 3})
"""Exit codes after which it is tried again, where failures are: failed, and incomplete."""
WRONG: Final = 2
STOPPED: Final = 130
KEPT_LOGS: Final = 5
LARGEST_LOG: Final = 10 << 20
"""Bytes of a log that is gone on with by the next process; a larger one is put aside."""
LAST_WORDS: Final = 2000
"""Bytes at the end of a log that are looked at for the reason."""

Again = Literal["failed", "always", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPipeline:
    """One pipeline that is to run."""

    name: str
    file: Path
    again: Again = "failed"
    """When it is started once more: if it failed, whenever it ends, or never."""
    resumes: bool = False
    """Whether a recorded run that was killed is resumed, not begun anew."""
    arguments: tuple[str, ...] = ()
    """Further ones of ``penstock run``."""
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepPlan:
    """What is to be kept running, and how patiently."""

    pipelines: tuple[KeptPipeline, ...]
    restarts: Restarts = field(default_factory=lambda: Restarts(most=5, within_s=300.0, backoff_s=1.0))
    stop_s: float = 30.0
    """How long a pipeline may take to bring out what has come, when it is stopped."""
    watchdog_s: float = 60.0
    """Who gives no sign of life for so long is killed; 0: nobody."""
    logs: Path = Path("logs")


class _Kept:
    """One pipeline, through all of its processes."""

    def __init__(self, plan: KeptPipeline, upkeep: UpkeepPlan) -> None:
        self.plan = plan
        self.life = Lifecycle(plan.name)
        self.budget = RestartBudget(upkeep.restarts)
        self.process: subprocess.Popen[bytes] | None = None
        self.socket: socket.socket | None = None
        self.log = upkeep.logs / f"{plan.name}.log"
        self.starts = 0
        self.exit_code: int | None = None
        """Of its last process."""
        self.address = self.run = self.store = ""
        self.due_s: float | None = None
        """When it is started again."""
        self.alive_s = 0.0
        self.since_s = time.monotonic()
        self.killed_for = ""
        self.resumes = False
        """Whether its next process is to resume the run of the last."""

    def become(self, state: State, why: str = "") -> bool:
        """Change the state; return whether there is news."""
        changed = self.life.state is not state or self.life.why != why
        if self.life.reach(state, why):
            self.since_s = time.monotonic()
        return changed

    def describe(self) -> dict[str, Any]:
        """Return how it is."""
        return {
            "pipeline": self.plan.name, "state": str(self.life.state), "why": self.life.why,
            "since_s": round(time.monotonic() - self.since_s, 1), "pid": self.process.pid if self.process else 0,
            "starts": self.starts, "run": self.run, "address": self.address, "exit_code": self.exit_code,
            "log": str(self.log),
        }  # fmt: skip


class Upkeep:
    """Keeps pipelines running; a context manager, used from the thread that enters it.

    Parameters
    ----------
    plan
        What is to run. Its names are unique.
    inherited
        Descriptors that every pipeline inherits.
    """

    def __init__(self, plan: UpkeepPlan, inherited: Sequence[int] = ()) -> None:
        self._plan = plan
        self._inherited = tuple(inherited)
        self._kept = [_Kept(pipeline, plan) for pipeline in plan.pipelines]
        self._poll = select.poll()
        self._by_fd: dict[int, _Kept] = {}
        self._pidfds: dict[int, _Kept] = {}
        self._stopping_s: float | None = None
        self._urged = 0

    def __enter__(self) -> Self:
        try:
            self._plan.logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ProcessError(f"{self._plan.logs}: no logs can be written there: {error.strerror}") from error
        for kept in self._kept:
            self._start(kept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for kept in self._kept:
            if kept.process is not None:
                kept.process.kill()
                kept.process.wait()
                self._forget(kept)

    @property
    def is_over(self) -> bool:
        """Whether nothing runs, and nothing will."""
        return all(kept.process is None and kept.due_s is None for kept in self._kept)

    @property
    def state(self) -> State:
        """Of all: fault if nothing works any more, degraded if something does not."""
        states = {kept.life.state for kept in self._kept}
        if states == {State.FAULT}:
            return State.FAULT
        if states & {State.FAULT, State.DEGRADED}:
            return State.DEGRADED
        order = (State.INITIALISED, State.PROCESSING, State.FINISHING, State.STOPPED)
        return next((state for state in order if state in states), State.STOPPED)

    @property
    def exit_code(self) -> int:
        """What a command that kept them returns: 1 if one is given up, 3 if one ended incomplete, else 0."""
        if any(kept.life.state is State.FAULT for kept in self._kept):
            return 1
        return 3 if any(kept.exit_code == 3 for kept in self._kept) else 0

    def describe(self) -> list[dict[str, Any]]:
        """Return how each pipeline is."""
        return [kept.describe() for kept in self._kept]

    def wake_on(self, pollable: int) -> None:
        """Come back from ``step`` when this can be read."""
        self._poll.register(pollable, select.POLLIN)

    def sleep_on(self, pollable: int) -> None:
        """Look at this no more."""
        self._poll.unregister(pollable)

    def step(self, longest_s: float = 1.0) -> list[dict[str, Any]]:
        """Wait for something to happen, and do what is to be done; return what has changed, each time."""
        now_s = time.monotonic()
        due = [kept.due_s - now_s for kept in self._kept if kept.due_s is not None]
        wait_s = max(0.0, min([longest_s, *due]))
        news: list[dict[str, Any]] = []
        for fd, _ in self._poll.poll(wait_s * 1000):
            if fd in self._by_fd and self._hear(self._by_fd[fd]):
                news.append(self._by_fd[fd].describe())
            elif fd in self._pidfds:
                kept = self._pidfds[fd]
                self._bury(kept)
                news.append(kept.describe())
        return [*news, *(kept.describe() for kept in self._look_at_time())]

    def stop(self) -> None:
        """Have all of them bring out what has come, and end; nothing is started again."""
        self._stopping_s = time.monotonic()
        for kept in self._kept:
            if kept.due_s is not None:
                kept.due_s = None
                kept.become(State.STOPPED, "stopped on request")
            if kept.process is not None:
                kept.process.send_signal(signal.SIGTERM)

    def abort(self) -> None:
        """Have all of them end at once."""
        if self._stopping_s is None:
            self.stop()
        self._urge(signal.SIGTERM)

    # Inside

    def _start(self, kept: _Kept) -> None:
        name = f"@penstock-up-{os.getpid()}-{kept.plan.name}-{kept.starts}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        listener.bind(f"\0{name[1:]}")
        environ = {**os.environ, **kept.plan.environ, "NOTIFY_SOCKET": name, PARENT: str(os.getpid())}
        environ.pop("WATCHDOG_PID", None)
        environ["WATCHDOG_USEC"] = str(round(self._plan.watchdog_s * 1e6))
        kept.due_s, kept.killed_for, kept.address = None, "", ""
        kept.starts += 1
        kept.become(State.INITIALISED)
        try:
            self._put_log_aside(kept.log)
            with kept.log.open("ab") as log:
                kept.process = subprocess.Popen(
                    [*COMMAND, *self._words(kept)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ,
                    cwd=kept.plan.file.parent, pass_fds=self._inherited,
                    process_group=0,  # Ctrl-C in the terminal is for us alone, who decide what it means
                )  # fmt: skip
        except OSError as error:
            listener.close()
            kept.become(State.FAULT, f"it could not be started: {error}")
            return
        kept.socket, kept.alive_s = listener, time.monotonic()
        pidfd = os.pidfd_open(kept.process.pid)
        self._by_fd[listener.fileno()], self._pidfds[pidfd] = kept, kept
        self._poll.register(listener.fileno(), select.POLLIN)
        self._poll.register(pidfd, select.POLLIN)

    def _words(self, kept: _Kept) -> Sequence[str]:
        file = str(kept.plan.file.absolute())
        if kept.resumes and kept.run and kept.store:
            return ("resume", kept.run, "--store", kept.store, "--pipeline", file, "--quiet")
        return ("run", file, "--quiet", *kept.plan.arguments)

    def _hear(self, kept: _Kept) -> bool:
        has_news = False
        for word in self._said(kept):
            name, _, value = word.partition("=")
            kept.alive_s = time.monotonic()
            match name:
                case "READY":
                    has_news = kept.become(State.PROCESSING) or has_news
                    # Only this process can say it now: the next one is told by itself again.
                    kept.resumes = False
                case "STOPPING":
                    has_news = kept.become(State.FINISHING) or has_news
                case "PENSTOCK_RUN":
                    kept.run, has_news = value, True
                case "PENSTOCK_STORE":
                    kept.store = value
                case "PENSTOCK_ADDRESS":
                    kept.address, has_news = value, True
        return has_news

    @staticmethod
    def _said(kept: _Kept) -> Iterator[str]:
        assert kept.socket is not None, "it is listened to"
        while True:
            try:
                text = kept.socket.recv(65_536)
            except BlockingIOError:
                return
            yield from text.decode(errors="replace").splitlines()

    def _bury(self, kept: _Kept) -> None:
        """Take note that a process has ended, and decide what follows."""
        assert kept.process is not None, "it has just ended"
        kept.exit_code = code = kept.process.wait()
        self._hear(kept)
        self._forget(kept)
        why = kept.killed_for or self._said_why(kept, code)
        if self._stopping_s is not None or (code == 0 and kept.plan.again != "always"):
            kept.become(State.STOPPED, "" if code in (0, STOPPED) else why)
            return
        if code == WRONG or kept.plan.again == "never" or (code == STOPPED and kept.plan.again == "failed"):
            kept.become(State.STOPPED if code == STOPPED else State.FAULT, why)
            return
        kept.resumes = kept.plan.resumes and (code < 0 or bool(kept.killed_for)) and bool(kept.store)
        wait_s = kept.budget.died(time.monotonic()) if code != 0 else 1.0
        if wait_s is None:
            kept.become(State.FAULT, f"{why}; {kept.budget.why}")
            return
        kept.due_s = time.monotonic() + wait_s
        kept.become(State.DEGRADED, f"{why}; it is started again")

    def _forget(self, kept: _Kept) -> None:
        for fd, one in list(self._by_fd.items()):
            if one is kept:
                del self._by_fd[fd]
                self._poll.unregister(fd)
        for fd, one in list(self._pidfds.items()):
            if one is kept:
                del self._pidfds[fd]
                self._poll.unregister(fd)
                os.close(fd)
        if kept.socket is not None:
            kept.socket.close()
        kept.socket = kept.process = None

    def _said_why(self, kept: _Kept, code: int) -> str:
        how = f"it was killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        with suppress(OSError):
            data = kept.log.read_bytes()[-LAST_WORDS:]
            lines = [line for line in data.decode(errors="replace").splitlines() if line.strip()]
            if lines and code > 0:
                return f"{how}: {lines[-1].strip()[:300]}"
        return how

    def _look_at_time(self) -> list[_Kept]:
        now_s, news = time.monotonic(), []
        for kept in self._kept:
            if kept.due_s is not None and kept.due_s <= now_s:
                self._start(kept)
                news.append(kept)
            watchdog_s = self._plan.watchdog_s
            is_watched = watchdog_s and kept.life.state is State.PROCESSING and kept.process is not None
            if is_watched and now_s - kept.alive_s > watchdog_s and not kept.killed_for:
                kept.killed_for = f"it gave no sign of life for {watchdog_s:g} s"
                assert kept.process is not None
                kept.process.kill()
        if self._stopping_s is not None:
            waited_s = now_s - self._stopping_s
            if self._urged == 0 and waited_s > self._plan.stop_s:
                self._urge(signal.SIGTERM)
            elif self._urged == 1 and waited_s > self._plan.stop_s + 10:
                self._urge(signal.SIGKILL)
        return news

    def _urge(self, number: signal.Signals) -> None:
        self._urged += 1
        for kept in self._kept:
            if kept.process is not None:
                kept.process.send_signal(number)

    @staticmethod
    def _put_log_aside(log: Path) -> None:
        if not log.exists() or log.stat().st_size < LARGEST_LOG:
            return
        for number in range(KEPT_LOGS - 1, 0, -1):
            older = log.with_name(f"{log.name}.{number}")
            if older.exists():
                older.replace(log.with_name(f"{log.name}.{number + 1}"))
        log.replace(log.with_name(f"{log.name}.1"))
