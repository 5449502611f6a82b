"""Recorded runs that are run again beside the one that goes on, each in a program of its own.

The supervisor starts them, so that they outlive a web process that is killed; it never waits for them, and they end
with it. They get no sinks: nobody is told the results of a replay as if they were those of the experiment.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from penstock.core.timestamp import Timestamp
from penstock.errors import ServiceError, StateError
from penstock.services.own_process import PARENT

__all__ = ["MOST_AT_ONCE", "ReplayWish", "Replays"]

COMMAND: Final = (sys.executable, "-c", "from penstock.cli.start import main; main()")
MOST_AT_ONCE: Final = 4
"""Each needs the memory and the processors of a run."""
MOST_REMEMBERED: Final = 20
MOST_SAID: Final = 4000
"""Characters of what a program wrote that are kept: the last ones."""
SERVED: Final = "views: "
"""How the line begins that says where it is to be seen."""
PATIENCE_S: Final = 5.0
"""How long all of them have to end by themselves, when this program ends."""
NOT_INHERITED: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Variables by which somebody looks after the program that goes on, not after these."""


class ReplayWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recorded run that is to be run again."""

    run: str
    beamtime: str = ""
    values: dict[str, Any] = {}
    """Of parameters that are to be otherwise all the time."""
    first: int = 0
    """Leave out the events before this one."""
    speed: float = 0.0
    """1: in its own time; 0: as fast as it goes."""
    who: str = ""


@dataclass(slots=True)
class _Replay:
    name: str
    of: str
    who: str
    began: str
    process: "subprocess.Popen[bytes]"
    pidfd: int
    pipe: int
    """What it writes to standard error; -1 when it has closed that."""
    said: bytes = b""
    address: str = ""
    ended_by: str = ""
    is_unwanted: bool = False

    @property
    def state(self) -> str:
        code = self.process.returncode
        if code is None:
            return "ending" if self.is_unwanted else "shown" if self.address else "starting"
        return "ended" if self.is_unwanted or code == 0 else "failed"


@dataclass(slots=True)
class Replays:
    """Starts replays, knows where they are to be seen, and ends them.

    Parameters
    ----------
    host
        Where each listens, at a port of its own.
    epoll
        Says when ``poll`` has something to do.
    environ
        Further variables of each, such as tokens.
    command
        How penstock is called.

    Attributes
    ----------
    pids
        Of those that go on; always the same set.
    """

    host: str
    epoll: select.epoll
    environ: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = COMMAND
    pids: set[int] = field(default_factory=set)
    _all: list[_Replay] = field(default_factory=list)

    def begin(self, wish: ReplayWish, store: str) -> dict[str, Any]:
        """Start one; it is said later where it is to be seen.

        Raises
        ------
        StateError
            If there are so many already, or nothing is kept anywhere.
        ServiceError
            If the wish is wrong, or no program can be started.
        """
        if not store:
            raise StateError("this pipeline has no store, so nothing of it is recorded")
        if len(self._going) >= MOST_AT_ONCE:
            raise StateError(f"{MOST_AT_ONCE} replays go on, and no more at a time; end one of them")
        name = self._name_for(wish.run)
        words = [*self.command, *_words(wish, name, store, self.host)]
        environ = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
        environ |= {**self.environ, PARENT: str(os.getpid())}
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environ,
                process_group=0,  # Ctrl-C in the terminal is for us alone, who end them
            )  # fmt: skip
        except OSError as error:
            raise ServiceError(f"a replay could not be started: {error}") from error
        assert process.stderr is not None
        pipe = os.dup(process.stderr.fileno())
        process.stderr.close()
        os.set_blocking(pipe, False)
        began = Timestamp(time.time_ns()).isoformat()
        replay = _Replay(name, wish.run, wish.who, began, process, os.pidfd_open(process.pid), pipe)
        self._all.append(replay)
        self.pids.add(process.pid)
        for fd in (replay.pidfd, replay.pipe):
            self.epoll.register(fd, select.EPOLLIN)
        self._forget()
        return _described(replay)

    def poll(self) -> None:
        """Hear what they say, and notice which have ended."""
        for replay in self._all:
            if replay.pipe >= 0:
                self._hear(replay)
            if replay.process.returncode is None and replay.process.poll() is not None:
                self._bury(replay)

    def listed(self) -> list[dict[str, Any]]:
        """Return all that are remembered, the newest last: which run, how it is, and where it is to be seen."""
        return [_described(replay) for replay in self._all]

    def end(self, name: str, who: str = "") -> dict[str, Any]:
        """Ask one to end, in somebody's name.

        Raises
        ------
        ServiceError
            If there is none of this name.
        """
        found = next((replay for replay in self._all if replay.name == name), None)
        if found is None:
            there_are = ", ".join(replay.name for replay in self._all) or "none"
            raise ServiceError(f"no replay is called {name!r:.120}; there are {there_are}")
        if not found.is_unwanted:
            found.ended_by = who
        self._ask_to_end(found)
        return _described(found)

    def close(self) -> None:
        """End all of them, and wait until they have ended; may be called again."""
        for replay in self._going:
            self._ask_to_end(replay)
        until_s = time.monotonic() + PATIENCE_S
        for replay in self._going:
            try:
                replay.process.wait(max(0.0, until_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                replay.process.kill()
                replay.process.wait()
            self._bury(replay)
        for replay in self._all:
            self._shut(replay)

    @property
    def _going(self) -> list[_Replay]:
        return [replay for replay in self._all if replay.pidfd >= 0]

    def _ask_to_end(self, replay: _Replay) -> None:
        if replay.process.returncode is None:
            # The first asks for an end in good order; a second one, at once.
            replay.is_unwanted = True
            replay.process.send_signal(signal.SIGTERM)

    def _hear(self, replay: _Replay) -> None:
        try:
            while piece := os.read(replay.pipe, 1 << 16):
                said = replay.said + piece
                replay.address = replay.address or _address_in(said)
                replay.said = said[-MOST_SAID:]
        except BlockingIOError:
            return
        self._shut(replay)  # it has closed it

    def _bury(self, replay: _Replay) -> None:
        if replay.pipe >= 0:
            self._hear(replay)
        self.pids.discard(replay.process.pid)
        if replay.pidfd >= 0:
            self.epoll.unregister(replay.pidfd)
            os.close(replay.pidfd)
            replay.pidfd = -1

    def _shut(self, replay: _Replay) -> None:
        if replay.pipe >= 0:
            self.epoll.unregister(replay.pipe)
            os.close(replay.pipe)
            replay.pipe = -1

    def _forget(self) -> None:
        while len(self._all) > MOST_REMEMBERED:
            oldest = next(replay for replay in self._all if replay.pidfd < 0)
            self._shut(oldest)
            self._all.remove(oldest)

    def _name_for(self, run: str) -> str:
        taken = {replay.name for replay in self._all}
        return next(name for k in range(1, len(taken) + 2) if (name := f"{run}-again-{k}") not in taken)


def _words(wish: ReplayWish, name: str, store: str, host: str) -> Sequence[str]:
    if not wish.run or len(wish.run) > 200 or not wish.run.isprintable():
        raise ServiceError(f"run is {wish.run!r:.120}; write the name of a recorded run")
    if wish.speed < 0 or wish.first < 0:
        raise ServiceError(f"speed is {wish.speed:g} and first is {wish.first}; neither may be below 0")
    words = ["replay", f"--store={store}", f"--beamtime={wish.beamtime}", f"--run={name}", f"--from={wish.first}"]
    words += [f"--speed={wish.speed:g}", f"--serve={f'[{host}]' if ':' in host else host}:0"]
    words += [f"--set={address}={json.dumps(value)}" for address, value in wish.values.items()]
    return [*words, "--stay", "--quiet", "--beside", "--", wish.run]


def _address_in(said: bytes) -> str:
    for line in said.decode(errors="replace").splitlines(keepends=True):
        if line.startswith(SERVED) and line.endswith("\n"):
            return line.removeprefix(SERVED).strip()
    return ""


def _described(replay: _Replay) -> dict[str, Any]:
    lines = replay.said.decode(errors="replace").splitlines()
    said = "\n".join(line for line in lines if not line.startswith(SERVED))
    return {
        "name": replay.name,
        "of": replay.of,
        "who": replay.who,
        "ended_by": replay.ended_by,
        "began": replay.began,
        "state": replay.state,
        "address": replay.address,
        "said": said,
        "exit_code": replay.process.returncode,
    }
