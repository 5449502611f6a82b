"""Starting the warmed process, and the supervisor's ends of what joins them."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.errors import ProcessError
from penstock.services.warm import PATH_BEFORE
from penstock.transport.seqpacket import Link
from penstock.wire.requests import Refused, Start, Started, decode, encode

__all__ = ["WarmStart"]

_PACKAGE_ROOT = Path(__file__).parents[2]

_ONE_THREAD = (
    "BLIS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
"""Read by numerical libraries when they are loaded: a worker is one thread, and there is one worker a processor."""

_END_S = 10.0
"""How long the warmed process may need to kill and await its children, which the kernel does in milliseconds."""


class WarmStart:
    """A warmed process that runs; ``request`` may wait while it still imports.

    Parameters
    ----------
    preload
        Modules to import before the first fork.
    hears
        Whether notices that children raise are to be heard.
    """

    def __init__(self, preload: Sequence[str], *, hears: bool = False) -> None:
        self._requests, its_requests = Link.pair()
        self.deaths, its_deaths = Link.pair()
        self.notices: Link | None = None
        its_notices: Link | None = None
        if hears:
            self.notices, its_notices = Link.pair()
        fds = [its_requests.fileno(), its_deaths.fileno()]
        words = [*map(str, fds), str(os.getpid()), str(its_notices.fileno() if its_notices else -1), *preload]
        fds += [its_notices.fileno()] if its_notices else []
        try:
            # -P: the present folder may hold a user's numpy.py. A session of its own: Ctrl-C is not for it.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "penstock.services.warm", *words],
                pass_fds=fds,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            self._requests.close()
            self.deaths.close()
            if self.notices is not None:
                self.notices.close()
            raise
        finally:
            its_requests.close()
            its_deaths.close()
            if its_notices is not None:
                its_notices.close()

    @property
    def pid(self) -> int:
        """The warmed process's own."""
        return self._process.pid

    def request(self, number: int, fds: Sequence[int], *, patience_s: float) -> tuple[int, int]:
        """Have a child made and return its pid and its pidfd, which is the caller's to close.

        Parameters
        ----------
        number
            The child's.
        fds
            The memory file of its ``StartRequest``, then its own descriptors.
        patience_s
            How long an answer may need, with the imports before it, in s; then the warmed process is killed.

        Raises
        ------
        BrokenPipeError
            If the warmed process had died before; nothing was started.
        ProcessError
            If it died meanwhile, does not answer or cannot make processes.
        """
        self._requests.send(encode(Start(number)), fds)
        if not _is_readable(self._requests.fileno(), patience_s):
            # Its answer may still come and would be taken for that to the next request.
            self._process.kill()
            self._process.wait()
            raise ProcessError(f"the warmed process {self.pid} did not answer for {patience_s:g} s; it hangs")
        reply = self._requests.receive()
        if reply is None:
            raise ProcessError(
                f"the warmed process {self.pid} died when it was asked; see what it printed, or start again"
            )
        answer = decode(reply.data, Started | Refused)  # type: ignore[arg-type]  # a union is no type to mypy
        if isinstance(answer, Refused):
            raise ProcessError(answer.text)
        return answer.pid, reply.fds[0]

    def close(self) -> None:
        """Let it kill and await its children, and wait for it; what they have said last can still be read."""
        self._requests.close()
        self.deaths.close()
        self._process.send_signal(signal.SIGCONT)  # should somebody have stopped it
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children die with it
            self._process.wait()


def _environment() -> dict[str, str]:
    before = os.environ.get("PYTHONPATH", "")
    path = f"{_PACKAGE_ROOT}{os.pathsep}{before}" if before else str(_PACKAGE_ROOT)
    return {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": path, PATH_BEFORE: before}


def _is_readable(fd: int, within_s: float) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(within_s * 1000))
