"""An HTTP server in a thread of its own that takes what is posted, for sources to which an instrument comes.

It knows what may be posted where, and how much may wait; what a body means is for whoever is asked.
"""

import asyncio
import json
import os
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from penstock.elements.network_address import is_local
from penstock.errors import RemoteProtocolError, SourceError
from penstock.extra import extra

__all__ = ["HttpIntake"]

MAX_BODY: Final = 16 << 20
MAX_WAITING: Final = 10_000
"""Bodies; and so much of them in bytes as the source allows."""
PATIENCE_S: Final = 5.0
"""How long a request is held up when too much waits, before it is refused."""
_CLOSE_S: Final = 3.0

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class HttpIntake:
    """Serve, and hold what was posted until it is taken.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes any that is free.
    paths
        Where may be posted, as ``/v1/record_data``, and what whoever reads is told it is.
    read
        Called with what it is and the body, in the thread of the server: returns what is to be held; ``None`` is
        nothing. `RemoteProtocolError` refuses it with status 422.
    ahead_bytes
        How much may wait, in bytes of bodies. Then whoever posts waits, and after 5 s is refused with status 503.
    """

    def __init__(
        self, host: str, port: int, paths: Mapping[str, str], read: Callable[[str, bytes], Any], ahead_bytes: int
    ) -> None:
        self._host, self._port, self._paths, self._read = host, port, paths, read
        self._ahead_bytes = ahead_bytes
        self._held: deque[tuple[Any, int]] = deque()
        self._lost: list[str] = []
        self._waiting_bytes = 0
        self._state = threading.Lock()
        self._thread: threading.Thread | None = None
        self._server: Any = None  # uvicorn.Server
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room: asyncio.Event | None = None
        self._turn: asyncio.Lock | None = None
        self._wakeup = -1

    @property
    def pollable(self) -> int | None:
        """A file descriptor that can be read when something is held."""
        return self._wakeup if self._wakeup >= 0 else None

    @property
    def address(self) -> str:
        """Where it is reached, with the port that was taken."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    def open(self) -> None:
        """Begin to serve.

        Raises
        ------
        SourceError
            If the address is none of this machine's, or the port is in use.
        MissingExtraError
            If uvicorn is not installed.
        """
        with extra("run"):
            import uvicorn
        listening = _listening(self._host, self._port)
        self._port = listening.getsockname()[1]
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        config = uvicorn.Config(
            self._app, interface="asgi3", http="httptools", ws="none", lifespan="off", loop="asyncio",
            log_level="error", access_log=False, proxy_headers=False, server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, args=(listening,), name="http-intake", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, within moments; what is held is given up. May be called twice."""
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_CLOSE_S)
            self._thread = None
        if self._wakeup >= 0:
            os.close(self._wakeup)
            self._wakeup = -1

    def take(self, most: int) -> tuple[list[Any], list[str]]:
        """Return what was posted, in order, and a text for each request that was refused.

        Raises
        ------
        SourceError
            If the server has ended by itself.
        """
        if self._wakeup < 0:
            return [], []
        if self._thread is None or not self._thread.is_alive():
            raise SourceError(f"{self.address}: the HTTP server has ended; its log says why")
        with self._state:
            with suppress(BlockingIOError):
                os.eventfd_read(self._wakeup)
            taken = [self._held.popleft() for _ in range(min(most, len(self._held)))]
            self._waiting_bytes -= sum(size for _, size in taken)
            lost, self._lost = self._lost, []
            if self._held:
                os.eventfd_write(self._wakeup, 1)
        if taken and self._loop is not None and self._room is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._room.set)
        return [each for each, _ in taken], lost

    def _serve(self, listening: socket.socket) -> None:
        with listening:
            asyncio.run(self._server.serve([listening]))

    # The rest is called in the loop of the server.

    async def _app(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, says = await self._answer(scope, receive)
        more = [(b"allow", b"POST")] if status == 405 else [(b"retry-after", b"1")] if status == 503 else []
        body = json.dumps(None if status == 200 else {"detail": says}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> tuple[int, str]:
        what = self._paths.get(scope["path"])
        if what is None:
            return 404, f"{scope['path'][:100]} is none of {', '.join(self._paths)}"
        if scope["method"] != "POST":
            return 405, f"{scope['method'][:20]} is none of POST"
        if any(name == b"origin" for name, _ in scope["headers"]):
            return 403, "a web page may not post here"
        body = await _body(receive)
        if body is None:
            return self._refuse(413, f"{what}: a body of more than {MAX_BODY} bytes")
        try:
            held = self._read(what, body)
        except RemoteProtocolError as error:
            return self._refuse(422, f"{what}: {error}")
        if held is not None and not await self._hold(held, len(body)):
            return self._refuse(503, f"{what}: the pipeline is behind; {len(self._held)} bodies wait to be read")
        return 200, ""

    def _refuse(self, status: int, says: str) -> tuple[int, str]:
        with self._state:
            self._lost.append(says)
            if len(self._lost) == 1 and self._wakeup >= 0:
                os.eventfd_write(self._wakeup, 1)
        return status, says

    async def _hold(self, held: Any, size: int) -> bool:
        """Wait for room, one request after the other, and hold it; return whether there was any."""
        if self._room is None or self._turn is None:
            self._loop, self._room, self._turn = asyncio.get_running_loop(), asyncio.Event(), asyncio.Lock()
        try:
            async with asyncio.timeout(PATIENCE_S), self._turn:
                while True:
                    self._room.clear()
                    if self._put(held, size):
                        return True
                    await self._room.wait()
        except TimeoutError:
            return False

    def _put(self, held: Any, size: int) -> bool:
        with self._state:
            if self._held and (len(self._held) >= MAX_WAITING or self._waiting_bytes + size > self._ahead_bytes):
                return False
            self._held.append((held, size))
            self._waiting_bytes += size
            if self._wakeup >= 0:
                os.eventfd_write(self._wakeup, 1)
        return True


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body; ``None`` if it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen()
        except BaseException:
            listening.close()
            raise
    except OSError as error:
        where = "" if is_local(host) else " and whether the host is this machine"
        text = f"http://{host}:{port} cannot be bound: {error.strerror}; see which program has the port{where}"
        raise SourceError(text) from error
    return listening
