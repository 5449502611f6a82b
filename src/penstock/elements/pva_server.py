"""A PVAccess server whose process variables come as they are first said, and may be written where somebody listens.

It decides nothing: what is said, and what becomes of what others write, is told to it.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar, Final, Protocol

from penstock.elements.network_address import is_local
from penstock.elements.pva_values import INVALID, PvaKind, Said, fitted, pva_value, written_in
from penstock.errors import PenstockError, ServiceError
from penstock.extra import extra

__all__ = ["PORT", "PvaServer", "Writer", "check_pva_address"]

PORT: Final = 5076
"""Where PVAccess is looked for."""
_MOST_WAITING: Final = 1000
"""Things written that wait; what comes then is answered by an error."""

Writer = Callable[[Any, str], Any]
"""Is given what was written, and by whom; raises a ``PenstockError`` or ``ValueError`` that says why it is refused.

What it returns is said as the new value, unless it is ``None``.
"""


class _Operation(Protocol):
    """What p4p says of something that was written."""

    def value(self) -> Any:
        """Return what was written."""

    def done(self, value: Any = None, error: str | None = None) -> None:
        """Answer."""

    def account(self) -> str:
        """Return who it says that it is."""

    def peer(self) -> str:
        """Return its address."""


def check_pva_address(address: str) -> tuple[str, int]:
    """Return host and port of ``host:port``, the port being ``PORT`` if it is left out.

    >>> check_pva_address("127.0.0.1")
    ('127.0.0.1', 5076)

    Raises
    ------
    ValueError
        If it is no such address.
    """
    host, colon, port = address.rpartition(":") if ":" in address else (address, "", "")
    number = port if colon else str(PORT)
    if not host or not number.isdecimal() or not number.isascii() or int(number) > 65535:
        raise ValueError(f'"{address}" is no address to serve PVAccess at; write one such as 127.0.0.1:{PORT}')
    return host, int(number)


class PvaServer:
    """Serve process variables. All may be called from any thread.

    Parameters
    ----------
    address
        ``host:port``: of which network, and at which port it is looked for over UDP; port 0 takes any that is free.
        It is what clients write into ``EPICS_PVA_ADDR_LIST``. The port for TCP is any.

    Raises
    ------
    ValueError
        If it is no address.
    """

    def __init__(self, address: str = f"127.0.0.1:{PORT}") -> None:
        self._host, self._port = check_pva_address(address)
        self._provider: Any = None
        self._server: Any = None
        self._queue: Any = None
        self._threads: list[threading.Thread] = []
        self._served: dict[str, _Served] = {}
        self._using = threading.Lock()

    @property
    def address(self) -> str:
        """Where it is looked for, with the port that was taken."""
        return f"{self._host}:{self._port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_local(self._host)

    @property
    def names(self) -> list[str]:
        """Of the process variables there are."""
        with self._using:
            return list(self._served)

    def open(self) -> None:
        """Begin to serve.

        Raises
        ------
        ServiceError
            If nothing can be served there.
        MissingExtraError
            If p4p is not installed.
        """
        with extra("epics"):
            from p4p.server import Server, StaticProvider
            from p4p.util import WorkQueue
        self._provider = StaticProvider()
        conf = {
            "EPICS_PVAS_INTF_ADDR_LIST": self._host,
            "EPICS_PVAS_SERVER_PORT": "0",
            "EPICS_PVAS_BROADCAST_PORT": str(self._port),
        }
        if self.is_local:  # else it would tell the network of what nobody there can reach
            conf |= {"EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO", "EPICS_PVAS_BEACON_ADDR_LIST": self._host}
        try:
            self._server = Server(providers=[self._provider], conf=conf, useenv=False)
        except RuntimeError as error:
            raise ServiceError(
                f"PVAccess cannot be served at {self.address}: {error}; name an address of this machine, and a port "
                "that is free"
            ) from error
        self._port = int(self._server.conf()["EPICS_PVAS_BROADCAST_PORT"])
        self._queue = WorkQueue(maxsize=_MOST_WAITING)
        self._threads = [threading.Thread(target=self._queue.handle, daemon=True, name="pva-put")]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Serve no more, and leave no thread behind; may be called twice, and unopened."""
        with self._using:
            served, self._served = self._served, {}
            server, self._server = self._server, None
        if server is None:
            return
        server.stop()
        for each in served.values():
            each.close()
        for thread in self._threads:
            self._queue.interrupt()
            thread.join()
        self._provider = None

    def wait_for_clients(self, count: int, timeout_s: float) -> bool:
        """Wait until so many process variables have a client; return whether they have."""
        deadline = time.monotonic() + timeout_s
        with self._using:
            served = list(self._served.values())
        with _Served.news:
            while sum(each.has_client for each in served) < min(count, len(served)):
                if not _Served.news.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    return False
        return True

    def say(self, name: str, said: Said, write: Writer | None = None, *, if_new: bool = False) -> None:
        """Say a value: the first one makes the process variable, another type disconnects those who have it.

        Parameters
        ----------
        name
            Of the process variable, whole.
        said
            What it says now.
        write
            What becomes of what others write; by default nothing can be written.
        if_new
            Whether nothing is said if that has been said last; arrays always are.
        """
        with self._using:
            if self._server is None:
                return
            if (served := self._served.get(name)) is None:
                served = self._served[name] = _Served(self._queue)
                self._provider.add(name, served.pv)
            served.say(said, write, if_new=if_new)

    def forget(self, names: Iterable[str]) -> None:
        """Serve these no more."""
        with self._using:
            for name in names:
                if (served := self._served.pop(name, None)) is not None:
                    self._provider.remove(name)
                    served.close()

    def doubt(self, why: str, names: Iterable[str] | None = None) -> None:
        """Say of these, by default of all, that what they say holds no more: their alarm is ``INVALID``."""
        with self._using:
            for served in self._served.values() if names is None else map(self._served.get, names):
                if served is not None:
                    served.doubt(why)


class _Served:
    """One process variable."""

    news: ClassVar = threading.Condition()

    def __init__(self, queue: Any) -> None:
        from p4p.server.thread import SharedPV

        self.pv: Any = SharedPV(queue=queue, handler=self)
        self._said: Said | None = None
        self._write: Writer | None = None
        self._saying = threading.Lock()
        self.has_client = False

    def onFirstConnect(self, pv: Any) -> None:  # noqa: ARG002, N802 - as p4p calls it
        """Note that somebody is there; in a thread of ours."""
        with self.news:
            self.has_client = True
            self.news.notify_all()

    def onLastDisconnect(self, pv: Any) -> None:  # noqa: ARG002, N802 - as p4p calls it
        """Note that nobody is there any more; in a thread of ours."""
        with self.news:
            self.has_client = False
            self.news.notify_all()

    def say(self, said: Said, write: Writer | None, *, if_new: bool = False) -> None:
        with self._saying:
            before = self._said
            said = said if before is None else fitted(said, before.kind)
            self._said, self._write = said, write
            if if_new and before is not None and not (_has_array(said) or _has_array(before)) and said == before:
                return
            value = pva_value(said, time.time_ns())
            if before is not None and _form(before) == _form(said):
                self.pv.post(value)
                return
            if before is not None:
                self.pv.close()
            self.pv.open(value)

    def doubt(self, why: str) -> None:
        if self._said is not None and (self._said.severity, self._said.alarm) != (INVALID, why):
            self.say(replace(self._said, severity=INVALID, alarm=why, time_ns=0), self._write)

    def close(self) -> None:
        self.pv.close(destroy=True)

    def put(self, pv: Any, op: _Operation) -> None:  # noqa: ARG002 - as p4p calls it
        """Take what somebody has written; in a thread of ours."""
        said, write = self._said, self._write
        if said is None or write is None:
            op.done(error="this can only be read")
            return
        try:
            value = op.value()
            if said.kind.form == "enum":
                value["value.choices"] = list(said.choices)
            self._answer(op, write(written_in(value, said.kind), f"{op.account()}@{op.peer()}"))
        except (PenstockError, ValueError) as error:
            op.done(error=str(error))
        except Exception:
            op.done(error="it failed, and the log of the server says how")
            raise

    def _answer(self, op: _Operation, now: Any) -> None:
        said = self._said
        if said is not None and now is not None:
            self.say(replace(said, value=now, time_ns=0), self._write)
        op.done()


def _form(said: Said) -> tuple[PvaKind, tuple[str, ...]]:
    return said.kind, said.choices


def _has_array(said: Said) -> bool:
    return said.kind.form in ("array", "image")
