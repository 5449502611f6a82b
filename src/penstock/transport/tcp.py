"""Plain TCP, as instruments speak it: a client that reads a stream of bytes, and a server for one client."""

import errno
import selectors
import socket
import time

from penstock.errors import SourceError
from penstock.transport.address import host_and_port

__all__ = ["TcpClient", "TcpServer"]

PIECE = 1 << 20
RETRY_S = 0.25


class TcpClient:
    """Connect without blocking, trying again until it works or ``connect_s`` have passed.

    Parameters
    ----------
    address
        ``tcp://host:port``.
    greeting
        Sent as soon as the connection stands.
    connect_s
        How long it may take until it is reached, in s; 0 waits for ever.
    """

    def __init__(self, address: str, *, greeting: bytes = b"", connect_s: float = 30.0) -> None:
        self.host, self.port = host_and_port(address)
        self.address = address
        self.greeting = greeting
        self.connect_s = connect_s
        self.is_reached = False
        self._deadline = self._retry_at = 0.0
        self._places: list[tuple[int, tuple[str, int]]] = []
        self._tries = 0
        self._why = ""
        self._socket: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None

    @property
    def pollable(self) -> int | None:
        """A file descriptor that a poller can wait on, the same whatever connection stands; ``None`` while closed."""
        # A selector is one itself (epoll, kqueue), so whoever waits need not know of new attempts.
        return self._selector.fileno() if self._selector is not None else None  # type: ignore[attr-defined]

    def open(self) -> None:
        """Begin to connect; this waits for the name to be resolved only.

        Raises
        ------
        SourceError
            If the host is not known.
        """
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise SourceError(f"{self.address}: host {self.host!r} is not known: {error.strerror}") from error
        self._places = [(family, place[:2]) for family, _, _, _, place in found]  # type: ignore[misc]
        self._selector = selectors.DefaultSelector()
        self._deadline = time.monotonic() + self.connect_s
        self._attempt()

    def receive(self) -> bytes | None:
        """Return what came, ``None`` if nothing did, ``b""`` once the other side has closed.

        Raises
        ------
        SourceError
            If it was not reached within ``connect_s``, or the connection broke.
        """
        if not self.is_reached and not self._advance():
            return None
        if self._socket is None:
            return b""
        try:
            return self._socket.recv(PIECE)
        except BlockingIOError:
            return None
        except OSError as error:
            raise SourceError(f"{self.address}: the connection broke: {error.strerror}") from error

    def wait(self, timeout_s: float) -> None:
        """Wait until something happens on the connection, or the time has passed."""
        if self._selector is not None:
            self._selector.select(timeout_s)

    def close(self) -> None:
        """Close the connection."""
        self._forget()
        if self._selector is not None:
            self._selector.close()
        self._selector = None

    def _attempt(self) -> None:
        family, place = self._places[self._tries % len(self._places)]
        self._tries += 1
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        code = self._socket.connect_ex(place)
        if code not in (0, errno.EINPROGRESS):
            self._fail(code)
        elif self._selector is not None:
            self._selector.register(self._socket, selectors.EVENT_WRITE)

    def _advance(self) -> bool:
        """Go on with connecting; return whether the connection stands."""
        now = time.monotonic()
        if self._socket is None:
            if now >= self._retry_at:
                self._attempt()
        elif self._selector is not None and self._selector.select(0):
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                self._greet()
                return True
            self._fail(code)
        if self.connect_s and now > self._deadline:
            why = f" ({self._why})" if self._why else ""
            raise SourceError(
                f"{self.address} was not reached within {self.connect_s:g} s{why}; see whether the instrument is on "
                "and address and port are right, or give it longer with connect_s"
            )
        return False

    def _greet(self) -> None:
        self.is_reached = True
        if self._socket is not None and self._selector is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._selector.modify(self._socket, selectors.EVENT_READ)
            self._socket.send(self.greeting)

    def _fail(self, code: int) -> None:
        self._why = errno.errorcode.get(code, str(code))
        self._retry_at = time.monotonic() + RETRY_S
        self._forget()

    def _forget(self) -> None:
        if self._socket is not None:
            if self._selector is not None and self._socket in self._selector.get_map():
                self._selector.unregister(self._socket)
            self._socket.close()
        self._socket = None


class TcpServer:
    """Listen, serve one client at a time."""

    def __init__(self, address: str) -> None:
        self.host, self.port = host_and_port(address)
        self.address = address
        """With the port that was taken, once it is open."""
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._said = b""

    def open(self) -> None:
        """Bind; port 0 takes any free one.

        Raises
        ------
        SourceError
            If the port is in use, or the address is not this machine's.
        """
        host = "" if self.host == "*" else self.host
        try:
            self._listener = socket.create_server((host, self.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                text = (
                    f"{self.address} is in use by another program (`ss -ltnp 'sport = :{self.port}'` says which); "
                    "stop it, or choose another port, or port 0 for any free one"
                )
            else:
                text = f"{self.address}: cannot listen there: {error.strerror}; write tcp://127.0.0.1:PORT"
            raise SourceError(text) from error
        self.address = f"tcp://{self.host}:{self._listener.getsockname()[1]}"

    def accept(self, timeout_s: float) -> bool:
        """Wait for a client; return whether there is one."""
        if self._client is not None:
            return True
        if self._listener is None:
            return False
        self._listener.settimeout(timeout_s)
        try:
            self._client, _ = self._listener.accept()
        except (TimeoutError, BlockingIOError):
            return False
        return True

    def expect(self, greeting: bytes, timeout_s: float) -> bytes | None:
        """Return as many bytes as the greeting has, fewer if no more will come; ``None`` if they are not there yet.

        Call it again for the rest.
        """
        deadline = time.monotonic() + timeout_s
        while self._client is not None and len(self._said) < len(greeting):
            self._client.settimeout(max(0.0, deadline - time.monotonic()))
            try:
                piece = self._client.recv(len(greeting) - len(self._said))
            except (TimeoutError, BlockingIOError):
                return None
            except OSError:  # the client has gone
                break
            if not piece:
                break
            self._said += piece
        return self._said

    def send(self, piece: bytes, timeout_s: float) -> int:
        """Send as much as there is room for within ``timeout_s``; return how many bytes that was.

        Raises
        ------
        SourceError
            If the client has gone.
        """
        if self._client is None:
            return 0
        self._client.settimeout(timeout_s)
        try:
            return self._client.send(piece)
        except TimeoutError:
            return 0
        except OSError as error:
            raise SourceError(f"{self.address}: the client has gone: {error.strerror}") from error

    def close(self) -> None:
        """Close what is open; the client gets all that was sent."""
        # The listener first: a client that comes back at once would be taken into its queue and thrown out with it.
        for opened in (self._listener, self._client):
            if opened is not None:
                opened.close()
        self._client = self._listener = None
        self._said = b""
