"""The supervisor's side: start processes by reference, learn of every death, leave nobody behind.

No pickle, no thread; what a child does is not known here.
"""

import os
import select
import signal
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import count
from types import TracebackType
from typing import Self

from penstock.errors import ProcessError
from penstock.services.child import Child, Death, Watch
from penstock.services.paper import Arguments, write_paper
from penstock.services.printed import Printed
from penstock.services.warm_start import WarmStart
from penstock.transport.seqpacket import MAX_FDS
from penstock.wire.requests import Ended, decode

__all__ = ["Child", "Death", "Processes"]

NOTICES_AT_ONCE = 256


class Processes:
    """Child processes, each running one function; a context manager for one thread.

    A child runs ``function(arguments, fds)``, from a module that it imports itself. It may leave ``fds`` open or close
    them. It ends when the function returns (code 0), raises (1, with the traceback), or is stopped (130); with this
    process, whatever ends that; and with everything it has started itself, unless that has left its process group.
    SIGINT from a terminal does not reach it, and SIGTERM and SIGHUP have no effect, so that this process decides what
    they mean.

    If the warmed process is killed, every child dies, and the next ``start`` gets a new one.

    Parameters
    ----------
    preload
        Modules that every child needs, imported once, in parallel with what the caller does next. Never user code, and
        nothing that starts a thread.
    on_output
        Called from ``poll`` and ``close`` with every line that a child prints; without it, children print where this
        process does. A child that printed 64 kB waits for the next ``poll``.
    on_notice
        Called from ``poll`` and ``close`` with every notice that a child raises, as it travels; without it, children's
        notices go to their own ``logging``. A child never waits for it.
    patience_s
        How long the warmed process may need to answer, with its imports, in s.

    Examples
    --------
    >>> with Processes(preload=()) as processes:
    ...     child = processes.start("nobody", "time:no_such_function", {})
    ...     (death,) = processes.poll(timeout_s=60)
    >>> print(death.code, death.text.splitlines()[-1])
    1 AttributeError: module 'time' has no attribute 'no_such_function'
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = ("numpy", "msgspec"),
        on_output: Callable[[Child, str], None] | None = None,
        on_notice: Callable[[bytes], None] | None = None,
        patience_s: float = 60.0,
    ) -> None:
        self._preload = tuple(preload)
        self._on_output = on_output
        self._on_notice = on_notice
        self.patience_s = patience_s
        self._numbers = count(1)
        self._watches: dict[int, Watch] = {}
        self._actions: dict[int, Callable[[], None]] = {}
        self._deaths: list[Death] = []
        self._warm: WarmStart | None = None
        self._warms: list[WarmStart] = []  # beside that one those that have died, until their last words are read
        self._epoll = select.epoll()

    def __enter__(self) -> Self:
        try:
            self._ready()
        except BaseException:
            self._epoll.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def warm_pid(self) -> int | None:
        """The process that makes the children; ``None`` if it has died and nobody was started since."""
        return self._warm.pid if self._warm is not None else None

    @property
    def children(self) -> list[Child]:
        """Those whose death has not been told, oldest first."""
        return [watch.child for watch in self._watches.values()]

    def start(
        self, name: str, function: str, arguments: Arguments, fds: Sequence[int] = (), *, cpus: Collection[int] = ()
    ) -> Child:
        """Start a process and return it; its function runs a little later, and what it raises comes with its death.

        Parameters
        ----------
        name
            What people call it: in errors, and in ``ps``.
        function
            ``module:function``, in a module that can be imported; ``sys.path`` is that of this process now.
        arguments
            What the function gets first: a dictionary, or the ``msgspec.Struct`` that its first argument is annotated
            with; of any size.
        fds
            Descriptors that the function gets as a tuple, under other numbers; those here stay open, the caller's.
        cpus
            The processors it may run on; none named: those of this process.

        Raises
        ------
        ProcessError
            If the function is not written so, or no process can be made.
        TypeError
            If something in the arguments cannot be encoded.
        """
        if len(fds) > MAX_FDS - 2:
            raise ProcessError(f"{name}: {len(fds)} descriptors; {MAX_FDS - 2} fit: send it the others")
        is_captured = self._on_output is not None
        paper = write_paper(name, function, arguments, cpus=cpus, is_captured=is_captured)
        ends: tuple[int, ...] = ()
        try:
            if is_captured:
                ends = os.pipe2(os.O_CLOEXEC)
            watch = self._start(name, paper, ends[:1], (paper, *ends[1:], *fds))
        except BaseException:
            for fd in (paper, *ends[:1]):
                os.close(fd)
            raise
        finally:
            for fd in ends[1:]:
                os.close(fd)
        return watch.child

    def fileno(self) -> int:
        """Return a descriptor that is readable when ``poll`` has something to do."""
        return self._epoll.fileno()

    def poll(self, timeout_s: float = 0.0) -> list[Death]:
        """Return the deaths since the last call; each is told once, and then nothing of the child is open any more.

        Parameters
        ----------
        timeout_s
            How long to wait for a death or for something printed, in s; negative: for ever.
        """
        for fd, _ in self._epoll.poll(timeout_s if timeout_s >= 0 else None):
            # An earlier action of the same round may have ended what this one was for.
            self._actions.get(fd, _nothing)()
        told, self._deaths = self._deaths, []
        return told

    def is_alive(self, child: Child) -> bool:
        """Whether a child is there at this very moment, whether or not its death was told yet."""
        watch = self._watches.get(child.number)
        return watch is not None and watch.is_alive

    def stop(self, child: Child) -> None:
        """Raise ``KeyboardInterrupt`` in a child, so that it ends in its own order; nothing if it has ended.

        It does not wait; one that comes before the function runs is kept until then. A child that hangs in foreign
        code does not hear it, and code that Python calls back, such as ``__del__``, swallows it: see ``kill``.
        """
        self._send(child, signal.SIGINT)

    def kill(self, child: Child) -> None:
        """Kill a child; its death is told by ``poll``. Nothing if it has ended."""
        self._send(child, signal.SIGKILL)

    def close(self) -> None:
        """Kill everybody, wait for them, and close everything. May be called again."""
        if self._epoll.closed:
            return
        for watch in self._watches.values():
            watch.kill_group()
        for warm in self._warms:
            warm.close()
        for number in list(self._watches):
            self._forget(number)
        for warm in self._warms:
            self._end_hearing(warm)
        self._epoll.close()

    def _ready(self) -> WarmStart:
        if self._warm is None:
            self._warm = warm = WarmStart(self._preload, hears=self._on_notice is not None)
            self._warms.append(warm)
            self._watch_for(warm.deaths.fileno(), lambda: self._hear(warm))
            if warm.notices is not None:
                self._watch_for(warm.notices.fileno(), lambda: self._hear_notices(warm))
        return self._warm

    def _start(self, name: str, paper: int, reader: Sequence[int], fds: Sequence[int]) -> Watch:
        number = next(self._numbers)
        size = os.fstat(paper).st_size  # now: the child frees it
        try:
            warm, pid, pidfd = self._request(number, fds)
        except (BrokenPipeError, ProcessError) as error:
            raise ProcessError(f"{name} cannot be started: {error}") from error
        child = Child(number=number, name=name, pid=pid)
        printed = self._printed(child, reader[0]) if reader else None
        self._watches[number] = watch = Watch(
            child=child, warm=warm, pidfd=pidfd, paper=paper, report_begin=size, printed=printed
        )
        return watch

    def _request(self, number: int, fds: Sequence[int]) -> tuple[WarmStart, int, int]:
        warm = self._ready()
        try:
            return warm, *warm.request(number, fds, patience_s=self.patience_s)
        except BrokenPipeError:  # it died before it was asked; poll hears of that in its own time
            self._warm = None
        warm = self._ready()
        return warm, *warm.request(number, fds, patience_s=self.patience_s)

    def _printed(self, child: Child, reader: int) -> Printed:
        take = self._on_output
        assert take is not None
        os.set_blocking(reader, False)
        printed = Printed(reader, lambda line: take(child, line))
        self._watch_for(reader, lambda: self._read(printed))
        return printed

    def _read(self, printed: Printed) -> None:
        if not printed.read():
            self._ignore(printed.fd)

    def _hear(self, warm: WarmStart) -> None:
        while (message := warm.deaths.try_receive()) is not None:
            ended = decode(message.data, Ended)
            self._tell(ended.number, ended)
        if warm.deaths.is_ended:
            self._lose(warm)

    def _hear_notices(self, warm: WarmStart, most: int = NOTICES_AT_ONCE) -> None:
        """Hand on what children have said; no more at once than leaves time for everything else."""
        link, take = warm.notices, self._on_notice
        if link is None or take is None:
            return
        for _ in range(most):
            received = link.try_receive()
            if received is None:
                break
            for fd in received.fds:
                os.close(fd)
            take(received.data)
        if link.is_ended:
            self._ignore(link.fileno())

    def _end_hearing(self, warm: WarmStart) -> None:
        """Hand on what children have said last."""
        if warm.notices is not None:
            self._hear_notices(warm, most=100 * NOTICES_AT_ONCE)  # all there is: a link holds less
            self._ignore(warm.notices.fileno())
            warm.notices.close()

    def _lose(self, warm: WarmStart) -> None:
        """Wait for a warmed process that has died, and for each of its children on its own; the kernel kills them."""
        self._ignore(warm.deaths.fileno())
        warm.close()
        self._end_hearing(warm)
        self._warms.remove(warm)
        if self._warm is warm:
            self._warm = None
        for watch in self._watches.values():
            if watch.warm is warm:
                watch.kill_group()
                self._watch_for(watch.pidfd, partial(self._tell, watch.child.number, None))

    def _tell(self, number: int, ended: Ended | None) -> None:
        """Note a death; its status is known where there was somebody to wait for it."""
        watch = self._watches[number]
        text = watch.report() if ended is None or ended.code or ended.signal else ""
        code = ended.code if ended is not None and not ended.signal else None
        killer = ended.signal or None if ended is not None else None
        self._deaths.append(Death(child=watch.child, code=code, signal=killer, text=text))
        self._forget(number)

    def _forget(self, number: int) -> None:
        watch = self._watches.pop(number)
        for fd in (watch.pidfd, *([watch.printed.fd] if watch.printed is not None else ())):
            self._ignore(fd)
        watch.close()

    def _send(self, child: Child, number: signal.Signals) -> None:
        watch = self._watches.get(child.number)
        if watch is not None:
            watch.send(number)

    def _watch_for(self, fd: int, action: Callable[[], None]) -> None:
        self._epoll.register(fd, select.EPOLLIN)
        self._actions[fd] = action

    def _ignore(self, fd: int) -> None:
        if self._actions.pop(fd, None) is not None:
            self._epoll.unregister(fd)


def _nothing() -> None:
    pass
