"""What a process asks of the kernel for itself: whose death ends it, and what it is called.

Linux only; Python has no ``prctl`` of its own.
"""

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path

__all__ = ["PARENT", "die_with", "end_with_parent", "name_process", "wake_at_death_of"]

# include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG = 1

PARENT = "PENSTOCK_PARENT"
"""Variable that says with which process a program ends."""

_ARGUMENTS = slice(47, 49)
"""Fields 48 and 49 of ``/proc/self/stat``, counted from 1: where the command line begins and ends. See proc(5)."""


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, and end it here if that has happened already.

    Trap: the kernel means the *thread* that forked; the parent must have one only.
    """
    _at_death_of(parent, signal.SIGKILL)


def end_with_parent() -> None:
    """Be asked to end, as by SIGTERM, when the process dies that started this program and has said so by ``PARENT``.

    Trap: as of ``die_with``.
    """
    parent = os.environ.pop(PARENT, "")  # it means nobody that is started from here
    if parent.isdigit():
        _at_death_of(int(parent), signal.SIGTERM)


def wake_at_death_of(parent: int) -> None:
    """Let the kernel continue this process, should it be stopped, when its parent dies; end it here if that is so.

    It does not kill, because the *thread* that started this process may end long before its parent does.
    """
    _at_death_of(parent, signal.SIGCONT)


def name_process(name: str) -> None:
    """Show the name in ``ps`` and ``top``; cut to 15 bytes in the short form, and to what room there is in the long."""
    Path("/proc/self/comm").write_bytes(name.encode()[:15])
    with suppress(OSError, ValueError, IndexError):  # the long form is a courtesy
        # The second field is the short name, which may have spaces and parentheses in it.
        fields = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
        begin, end = (int(field) for field in fields[_ARGUMENTS.start - 2 : _ARGUMENTS.stop - 2])
        if end > begin:
            # Overwritten in place, as every setproctitle does: Python has its own copy of the arguments since it began.
            ctypes.memmove(begin, name.encode()[: end - begin - 1].ljust(end - begin, b"\0"), end - begin)


def _at_death_of(parent: int, sent: signal.Signals) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(sent), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the kernel was asked, and the signal will not come
        os._exit(1)
