"""The server of durable streams: it listens, and gives each client a session with a thread of its own.

Threads and no event loop, because a store may wait for a disk: whoever asks for that waits, and nobody else does.
"""

import os
import socket
import ssl
import sys
import threading
from contextlib import suppress
from ipaddress import ip_address
from select import POLLIN, poll
from types import TracebackType
from typing import Final, Self

from penstock.errors import ServiceError
from penstock.services.stream_leases import WriterLeases
from penstock.services.stream_members import StreamMembers
from penstock.services.stream_session import StreamSession
from penstock.services.stream_tokens import SECRET, SECRET_FILE, Tokens
from penstock.streams.store import Store
from penstock.transport.link import Link, TlsLink

__all__ = ["SWITCH_S", "StreamServer", "is_local"]

WINDOW: Final = 64 << 20
SWITCH_S: Final = 0.0005
"""How long a busy thread may keep the others from running: Python's 5 ms would be seen by every client."""


class StreamServer:
    """Serves a store over TCP; a context manager, entered to listen.

    Parameters
    ----------
    store
        Stays the caller's, who closes it after this.
    host, port
        Where to listen; port 0 takes any free one.
    tokens
        Who may do what; without it everybody may do everything, and only this machine can connect.
    tls
        Certificate and key of the server.
    most_clients, most_strangers
        Connections in all, and of those which have not yet said who they are; more are closed at once.
    hello_s, idle_s
        How long a stranger has time, and after what silence a client is taken for gone, in s.

    Raises
    ------
    ServiceError
        If other machines could connect and there are no tokens.
    """

    def __init__(
        self,
        store: Store,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tokens: Tokens | None = None,
        tls: ssl.SSLContext | None = None,
        most_clients: int = 512,
        most_strangers: int = 128,
        hello_s: float = 10.0,
        idle_s: float = 30.0,
    ) -> None:
        if tokens is None and not is_local(host):
            raise ServiceError(
                f"{host} can be reached from other machines, and there are no tokens; give a secret in "
                f"{SECRET_FILE} or {SECRET}, or listen on 127.0.0.1"
            )
        self._host, self._port = host, port
        self._store, self._tokens, self._tls = store, tokens, tls
        self._most_clients, self._most_strangers = most_clients, most_strangers
        self._hello_s, self._idle_s = hello_s, idle_s
        self._leases = WriterLeases(store)
        self._members = StreamMembers(store)
        self._lock = threading.Lock()
        self._sessions: dict[StreamSession, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._wake = -1
        self._strangers = 0
        self._is_closing = False
        self.refused = 0
        """Connections that were closed because there were too many."""
        self.served = 0
        """Connections that were taken."""

    @property
    def address(self) -> str:
        """Where clients connect to."""
        return f"tcp://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    @property
    def clients(self) -> int:
        """Connections there are."""
        return len(self._sessions)

    def __enter__(self) -> Self:
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            self._listener = socket.create_server((self._host, self._port), family=family, backlog=256)
        except OSError as error:
            raise ServiceError(f"{self.address}: cannot listen there: {error.strerror or error}") from error
        self._listener.setblocking(False)
        self._port = self._listener.getsockname()[1]
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self._thread = threading.Thread(target=self._accept_all, name="stream server", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take nobody any more, answer what was received, and let go of all writers."""
        if self._thread is None or self._listener is None:
            return
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._listener.close()
        os.close(self._wake)
        self._thread = self._listener = None
        with self._lock:
            self._is_closing = True
            sessions = dict(self._sessions)
        for session in sessions:
            session.stop()
        for thread in sessions.values():
            thread.join(self._idle_s)

    def _accept_all(self) -> None:
        assert self._listener is not None
        poller = poll()
        poller.register(self._wake, POLLIN)
        poller.register(self._listener, POLLIN)
        while self._wake not in {fd for fd, _ in poller.poll()}:
            try:
                connected, peer = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            except OSError:  # no descriptors are left; somebody who goes gives some back
                only_wake = poll()
                only_wake.register(self._wake, POLLIN)
                only_wake.poll(100)
                continue
            with self._lock:
                is_full = len(self._sessions) >= self._most_clients or self._unknown() >= self._most_strangers
            if is_full:
                self.refused += 1
                connected.close()
            else:
                self._serve(connected, f"{peer[0]}:{peer[1]}")

    def _unknown(self) -> int:
        return self._strangers + sum(not session.is_known for session in self._sessions)

    def _serve(self, connected: socket.socket, peer: str) -> None:
        self.served += 1
        with self._lock:
            self._strangers += 1
        threading.Thread(target=self._run, args=(connected, peer), name=f"stream client {peer}", daemon=True).start()

    def _run(self, connected: socket.socket, peer: str) -> None:
        try:
            link = self._link(connected)
        except OSError:
            connected.close()
            return
        finally:
            with self._lock:
                self._strangers -= 1
        session = StreamSession(
            link, peer, self._store, self._leases, self._members, self._tokens,
            hello_s=self._hello_s, idle_s=self._idle_s, window=WINDOW,
        )  # fmt: skip
        with self._lock:
            if self._is_closing:
                session.stop()
            self._sessions[session] = threading.current_thread()
        try:
            session.run()
        finally:
            with self._lock:
                del self._sessions[session]

    def _link(self, connected: socket.socket) -> Link:
        if self._tls is None:
            return Link(connected, receive_s=self._hello_s, send_s=self._idle_s)
        connected.settimeout(self._hello_s)
        tls = self._tls.wrap_socket(connected, server_side=True)
        return TlsLink(tls, receive_s=self._hello_s, send_s=self._idle_s)


def is_local(host: str) -> bool:
    """Tell whether only this machine can connect to what listens at a host."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False
