"""What a supervisor knows of a child: who it is, how it ended, and what it holds open to know that."""

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from penstock.services.paper import read_report
from penstock.services.printed import Printed
from penstock.services.warm_start import WarmStart

__all__ = ["Child", "Death", "Watch"]

_PF_EXITING = 4
"""``include/linux/sched.h``: in the ninth field of ``/proc/PID/stat``."""
_PIDFD_SIGNAL_PROCESS_GROUP = 4
"""``include/uapi/linux/pidfd.h``, since Linux 6.9: the group that the process began, though it has ended itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process that was started."""

    number: int
    """Its own for ever, unlike a pid; counted from 1."""
    name: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a child ended."""

    child: Child
    code: int | None = None
    """What it ended with by itself; 130 after a stop."""
    signal: int | None = None
    """What killed it. Where code and signal are ``None``, the warmed process died and took it along."""
    text: str = ""
    """The traceback of what its function raised, or where it was at a fatal error of the machine."""

    def __str__(self) -> str:
        who = f"{self.child.name} (process {self.child.pid})"
        if self.signal is not None:
            said = f"{who} was killed by {_name(self.signal)}"
        elif self.code is None:
            said = f"{who} died with the process that had started it"
        else:
            said = f"{who} ended with code {self.code}"
        last = self.text.rstrip().rpartition("\n")[2] if self.signal is None else ""
        return f"{said}: {last}" if last else said


def _is_ending(pid: int) -> bool:
    """Whether a process is on its way out, or will be as soon as it gets a processor."""
    try:
        flags = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[6])
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return True
    pending = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith((b"SigPnd", b"ShdPnd")))
    return bool(flags & _PF_EXITING) or any(mask >> (signal.SIGKILL - 1) & 1 for mask in pending)


def _name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the supervisor holds open for a child; to be closed when its death has been told."""

    child: Child
    warm: WarmStart
    """The process that forked it, waits for it, and takes it along."""
    pidfd: int
    paper: int
    """The memory file of its request, later of its report."""
    report_begin: int
    """Where in it the report begins: the length of the request."""
    printed: Printed | None

    @property
    def is_alive(self) -> bool:
        """Whether the child has not ended, nor is about to: one that was killed takes some ms to let go of it all."""
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        return not poller.poll(0) and not _is_ending(self.child.pid)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this child and to nobody who has its pid later; nothing if it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill_group(self) -> None:
        """Kill the child and what it has started itself; for when nobody waits for it who would do so.

        Before Linux 6.9 this does nothing more than kill the child: a group whose first process has been waited for
        cannot be named safely there.
        """
        self.send(signal.SIGKILL)
        with suppress(OSError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL, None, _PIDFD_SIGNAL_PROCESS_GROUP)

    def report(self) -> str:
        """Return what the child left to be read."""
        return read_report(self.paper, self.report_begin)

    def close(self) -> None:
        """Close everything; what was printed last is handed on."""
        os.close(self.pidfd)
        os.close(self.paper)
        if self.printed is not None:
            try:
                self.printed.read(chunks=16)  # all there is: a pipe holds no more, unless somebody still writes
            finally:
                self.printed.close()
