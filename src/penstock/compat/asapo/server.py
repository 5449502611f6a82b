"""ASAPO's services on one address, over a store of ours: for its own clients, unmodified.

One thread with an event loop has all connections; what takes time is done by a few others. Discovery, authoriser,
broker and file transfer answer HTTP; receiver and data server speak the binary protocol on the same port.
"""

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from penstock.compat.asapo.beamtime_folders import BeamtimeFolders
from penstock.compat.asapo.beamtimes import Places
from penstock.compat.asapo.connection import Connection
from penstock.compat.asapo.desk import ServerDesk
from penstock.compat.asapo.limits import Limits
from penstock.errors import ServiceError
from penstock.extra import extra
from penstock.services.stream_server import SWITCH_S, is_local
from penstock.services.stream_tokens import SECRET, SECRET_FILE, Tokens
from penstock.streams.store import Store

__all__ = ["AsapoServer"]

SWEEP_S: Final = 1.0


class AsapoServer:
    """Serves a store to ASAPO's clients; a context manager, entered to listen.

    Parameters
    ----------
    store
        With groups, of this process; it stays the caller's, who closes it after this.
    host, port
        Where to listen; port 0 takes any free one.
    tokens
        Who may do what; without it everybody may do everything, and only this machine can connect.
    places
        Where beamtimes have their folders; without it no files are written, and all is in the store.
    advertise
        ``HOST:PORT`` by which clients reach this; by default where it listens, and where that is every address, what
        each has reached it by.
    most_clients, most_strangers
        Connections in all, and of those that have not been let do anything yet.
    hello_s, stall_s
        How long a stranger has time, and how long a request may be on its way.
    most_message_bytes, most_bytes
        Of one payload, and of all that are being received.
    tell
        Called with a line about clients that are refused; by default it goes to standard error.

    Raises
    ------
    ServiceError
        If other machines could connect and there are no tokens, or it cannot listen there.
    """

    def __init__(
        self,
        store: Store,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tokens: Tokens | None = None,
        places: Places | None = None,
        advertise: str = "",
        most_clients: int = 512,
        most_strangers: int = 128,
        hello_s: float = 10.0,
        stall_s: float = 60.0,
        most_message_bytes: int = 2 << 30,
        most_bytes: int = 4 << 30,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        if tokens is None and not is_local(host):
            raise ServiceError(
                f"{host} can be reached from other machines, and there are no tokens; give a secret in "
                f"{SECRET_FILE} or {SECRET}, or listen on 127.0.0.1"
            )
        self._store, self._host, self._port, self._tokens = store, host, port, tokens
        self._folders = None if places is None else BeamtimeFolders(places)
        self._advertise, self._tell = advertise, tell
        self._limits = Limits(
            most_clients=most_clients,
            most_strangers=most_strangers,
            hello_s=hello_s,
            stall_s=stall_s,
            most_message_bytes=most_message_bytes,
            most_bytes=most_bytes,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending: asyncio.Event | None = None
        self._started: threading.Event = threading.Event()
        self._failure: BaseException | None = None
        self._desk: ServerDesk | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT``, as clients are given it."""
        return self._advertise or f"{self._host}:{self._port}"

    @property
    def served(self) -> int:
        """Connections that were taken."""
        return 0 if self._desk is None else self._desk.connections.served

    @property
    def refused(self) -> int:
        """Connections that were closed because there were too many."""
        return 0 if self._desk is None else self._desk.connections.refused

    def __enter__(self) -> Self:
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self._thread = threading.Thread(target=self._run, name="ASAPO server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take nobody any more, store what was received, and let go of all streams."""
        if self._thread is None or self._loop is None or self._ending is None:
            return
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        try:
            with extra("run"):
                import uvloop  # a request takes a sixth less of the processor than on asyncio's own loop
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # told to who waits for the start
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        desk: ServerDesk | None = None

        def connection() -> Connection:
            assert desk is not None
            return Connection(desk)

        try:
            server = await self._loop.create_server(connection, self._host, self._port, backlog=256)
        except OSError as error:
            raise ServiceError(f"{self._host}:{self._port}: cannot listen there: {error.strerror}") from error
        self._port = server.sockets[0].getsockname()[1]
        desk = self._desk = ServerDesk(
            self._store, self._loop, self._tokens, self.address, self._folders, self._limits, self._tell
        )
        self._started.set()
        try:
            while not self._ending.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), SWEEP_S)
                desk.sweep()
        finally:
            server.close()
            await desk.close()
