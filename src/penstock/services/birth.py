"""From the fork to the function: what a child makes of itself before its code runs, and what it says if that fails.

It runs in the child only.
"""

import faulthandler
import inspect
import os
import signal
import sys
import traceback
import typing
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn, cast

import msgspec

from penstock.services.leaving import leaving
from penstock.services.own_process import die_with, name_process
from penstock.services.paper import read_request, write_report
from penstock.wire.requests import decode_arguments

__all__ = ["STOPPED", "Birth", "live"]

STOPPED = 130
"""What a child ends with when it was asked to stop, as a shell says it: 128 + SIGINT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a child was given."""

    parent: int
    """The process that forked it."""
    paper: int
    """The memory file: first its request, then its report."""
    fds: tuple[int, ...]
    """Its own descriptors."""


def live(birth: Birth, notices: int = -1) -> NoReturn:
    """Become what the request says, run the function, and end.

    Parameters
    ----------
    notices
        Where notices leave; below 0: nobody hears them.
    """
    try:
        _live(birth, notices)
    except KeyboardInterrupt:  # asked to stop
        sys.exit(STOPPED)
    except Exception as error:  # noqa: BLE001 - the outermost edge of a process: it ends, and says why
        write_report(birth.paper, "".join(traceback.format_exception(error)))
        sys.exit(1)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end is not to be interrupted
    sys.exit(0)


def _live(birth: Birth, notices: int) -> None:
    os.setpgid(0, 0)  # whatever it starts itself is in its group, and goes with it
    die_with(birth.parent)
    request = read_request(birth.paper)
    name_process(f"penstock: {request.name}")
    fds = birth.fds
    if request.is_captured:
        _print_to(fds[0])
        fds = fds[1:]
    # A segmentation fault in user code says where it was.
    faulthandler.enable(birth.paper)
    _leave_signals_to_supervisor()
    stop = _Stop()
    if request.cpus:
        os.sched_setaffinity(0, request.cpus)
    sys.path[:] = request.path
    sys.argv[:] = [request.name]
    _forget_randomness()
    function = _find(request.function)
    arguments = _arguments(function, request.arguments)
    with leaving(notices, request.name):
        stop.allow()
        function(arguments, fds)


def _print_to(fd: int) -> None:
    for number, file in ((1, sys.stdout), (2, sys.stderr)):
        os.dup2(fd, number)
        # Chosen for a terminal or a file when the warmed process began; here a line is to be seen when it is written.
        cast(Any, file).reconfigure(line_buffering=True)  # Any: TextIO lacks what a TextIOWrapper has
    os.close(fd)


class _Stop:
    """A wish to stop that is kept until the function runs: the import system swallows a ``KeyboardInterrupt``."""

    def __init__(self) -> None:
        self._is_asked = False
        signal.signal(signal.SIGINT, self._note)
        # Blocked since before the fork, so that one that came meanwhile is heard here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def allow(self) -> None:
        """From now on it is raised where it comes; here, if it has come."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._is_asked:
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self._is_asked = True


def _leave_signals_to_supervisor() -> None:
    # SIGTERM and SIGHUP stay without effect, as in the warmed process, but not in processes that user code forks.
    os.register_at_fork(after_in_child=_as_usual)


def _as_usual() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _forget_randomness() -> None:
    # Python's own generator is seeded anew at a fork; NumPy's old global one is not: all children would draw alike.
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def _find(reference: str) -> Callable[[Any, tuple[int, ...]], object]:
    module, _, name = reference.partition(":")
    found: Any = import_module(module)  # Any: whatever is there
    for part in name.split("."):
        found = getattr(found, part)
    return cast(Callable[[Any, tuple[int, ...]], object], found)


def _arguments(function: Callable[..., object], encoded: msgspec.Raw) -> Any:  # Any: what the function declares
    first = next(iter(inspect.signature(function).parameters), "")
    return decode_arguments(encoded, typing.get_type_hints(function).get(first, Any))
