"""The warmed process: it has imported what every child needs, waits, and forks when its supervisor asks.

    python -m penstock.services.warm REQUESTS DEATHS SUPERVISOR NOTICES MODULE...

It never imports user code and has one thread, so that a fork copies nothing half done. It ends when its supervisor
does, and takes every child along. Terminals do not reach it: it is in a session of its own.
"""

import gc
import os
import select
import signal
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from penstock.errors import PenstockError, RemoteProtocolError
from penstock.services.birth import Birth, live
from penstock.services.own_process import name_process, wake_at_death_of
from penstock.transport.seqpacket import Link
from penstock.wire.requests import Ended, Refused, Start, Started, decode, encode

__all__ = ["PATH_BEFORE", "WarmProcess", "main"]

PATH_BEFORE = "PENSTOCK_PYTHONPATH"
"""The environment variable that holds what ``PYTHONPATH`` was before the supervisor added to it."""


class _SupervisorGoneError(Exception):
    """Nobody is there to work for."""


class WarmProcess:
    """Forks children, waits for them, and tells the supervisor.

    Parameters
    ----------
    requests
        ``Start`` comes, ``Started`` or ``Refused`` goes, one at a time.
    deaths
        ``Ended`` goes, whenever a child has.
    supervisor
        Its pidfd: its end is noticed even where somebody holds a copy of its ends of the links.
    """

    def __init__(self, requests: Link, deaths: Link, supervisor: int) -> None:
        self._requests = requests
        self._deaths = deaths
        self._supervisor = supervisor
        self._children: dict[int, tuple[int, int]] = {}  # by pidfd: number and pid
        self._unsent: deque[bytes] = deque()
        self._epoll = select.epoll()
        for fd in (requests.fileno(), supervisor):
            self._epoll.register(fd, select.EPOLLIN)
        self._epoll.register(deaths.fileno(), 0)  # its end only, until something does not fit

    def serve(self) -> Birth | None:
        """Work until the supervisor has gone and no child is left; in a child, return at once what it was given."""
        birth = None
        try:
            while birth is None:
                birth = self.turn()
        except _SupervisorGoneError:
            self._end()
        return birth

    def turn(self) -> Birth | None:
        """Wait until there is something to do, and do it; in a child, return what it was given."""
        for fd, events in self._epoll.poll():
            if fd in self._children:
                self._bury(fd)
            elif fd == self._requests.fileno():
                if (birth := self._take()) is not None:
                    return birth
            elif fd == self._supervisor or events & (select.EPOLLHUP | select.EPOLLERR):
                raise _SupervisorGoneError
            else:
                self._tell_rest()
        return None

    def tell(self, death: Ended) -> None:
        """Tell the supervisor, now or when it has read what it was told before."""
        self._unsent.append(encode(death))
        self._tell_rest()

    def _take(self) -> Birth | None:
        try:
            request = self._requests.receive()
        except RemoteProtocolError as error:  # its descriptors did not fit into this process's limit
            self._answer(Refused(0, str(error)))
            return None
        if request is None:
            raise _SupervisorGoneError
        birth = self._fork(decode(request.data, Start).number, request.fds)
        if birth is None:
            for fd in request.fds:
                os.close(fd)
        return birth

    def _fork(self, number: int, fds: Sequence[int]) -> Birth | None:
        parent = os.getpid()
        try:
            pid = os.fork()
            if pid == 0:
                self._close()
                return Birth(parent=parent, paper=fds[0], fds=tuple(fds[1:]))
            pidfd = _watch(pid)
        except OSError as error:
            self._answer(Refused(number, f"no process can be made: {error.strerror}"))
            return None
        self._children[pidfd] = number, pid
        self._epoll.register(pidfd, select.EPOLLIN)
        self._answer(Started(number, pid), pidfd)
        return None

    def _answer(self, message: Started | Refused, *fds: int) -> None:
        with suppress(BrokenPipeError):  # the supervisor has gone, which the next turn finds
            self._requests.send(encode(message), fds)

    def _bury(self, pidfd: int) -> None:
        """Wait for a child that has ended, after killing what is left of its group while its pid still is its own."""
        number, pid = self._children.pop(pidfd)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        end = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        self._epoll.unregister(pidfd)  # closing is not enough: the supervisor has a copy
        os.close(pidfd)
        by_itself = end is not None and end.si_code == os.CLD_EXITED
        status = end.si_status if end is not None else 0
        self.tell(Ended(number, code=status) if by_itself else Ended(number, signal=status))

    def _tell_rest(self) -> None:
        with suppress(BrokenPipeError):
            while self._unsent and self._deaths.try_send(self._unsent[0]):
                self._unsent.popleft()
            self._epoll.modify(self._deaths.fileno(), select.EPOLLOUT if self._unsent else 0)

    def _end(self) -> None:
        for pidfd, (_, pid) in self._children.items():
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        for pidfd in list(self._children):
            self._bury(pidfd)
        self._close()

    def _close(self) -> None:
        """Close everything that is this process's own; a child has none of it."""
        self._epoll.close()
        self._requests.close()
        self._deaths.close()
        for fd in (self._supervisor, *self._children):
            os.close(fd)


def _watch(pid: int) -> int:
    """Return a pidfd of a new child; where there can be none, let there be no child."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def main() -> None:
    """Get warm, then serve; a child comes out of the same door, with nothing of the warmed process open."""
    requests, deaths, supervisor, notices = (int(word) for word in sys.argv[1:5])
    wake_at_death_of(supervisor)
    try:
        pidfd = os.pidfd_open(supervisor)
    except ProcessLookupError:  # it died just now
        return
    _leave_signals_to_supervisor()
    _forget_own_path()
    for name in sys.argv[5:]:
        import_module(name)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        modules = " ".join(sys.argv[5:])
        raise PenstockError(f"importing {modules} started {threads - 1} threads; preload only what starts none")
    name_process("penstock: warm")
    gc.collect()
    gc.freeze()  # a collection in a child writes to no page that it shares with this process
    # A lease of 4096 small dictionaries made six collections, a sixth of its time; cycles of user code wait a little.
    gc.set_threshold(10_000)
    birth = WarmProcess(Link(requests), Link(deaths), pidfd).serve()
    if birth is not None:
        live(birth, notices)


def _leave_signals_to_supervisor() -> None:
    # A service manager sends SIGTERM to everybody at once; what it means for children is the supervisor's decision.
    # No SIG_IGN: programs that user code starts would inherit it.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _take_no_notice)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _take_no_notice(*_: object) -> None:
    pass


def _forget_own_path() -> None:
    """Give the environment back what let this process find penstock; programs that user code starts need none of it."""
    before = os.environ.pop(PATH_BEFORE, "")
    if before:
        os.environ["PYTHONPATH"] = before
    else:
        os.environ.pop("PYTHONPATH", None)


if __name__ == "__main__":
    main()
