"""Items to every browser that is connected, each at its own pace: who is slow misses the oldest, and that is counted.

It serves a small page, the items by WebSocket, and how it is doing, on a thread and a loop of its own. Whoever gives it
items never waits for a browser.
"""

import asyncio
import json
import logging
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from penstock.elements.browser_gate import BrowserGate
from penstock.errors import SinkError

__all__ = ["ItemBroadcast"]

AHEAD: Final = 500
"""Items that may wait for one browser."""
AHEAD_BYTES: Final = 16 << 20
FRESH: Final = 5000
"""Items that may wait until the loop takes them over, which it does many times in a second."""
MOST_CLIENTS: Final = 200
END_S: Final = 1.0
"""How long a browser has at the end to take what waits for it."""
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Item = str | bytes
"""Text is JSON; bytes are the item itself."""


class ItemBroadcast:
    """Serves items.

    Parameters
    ----------
    listener
        A listening socket, which it closes at the end.
    gate
        Who may look.
    title
        Of the page.
    keep
        How many of the last items somebody gets who connects.
    on_missed
        Called with numbers of items that a browser missed, from the thread that serves.
    """

    def __init__(
        self, listener: socket.socket, gate: BrowserGate, title: str, keep: int, on_missed: Callable[[int], None]
    ) -> None:
        self._listener = listener
        self._gate = gate
        self._title = title
        self._kept: deque[Item] = deque(maxlen=keep)
        self._fresh: deque[Item] = deque()
        self._is_woken = False
        self._lock = threading.Lock()
        self._clients: set[_Client] = set()
        self._on_missed = on_missed
        self._items = self._missed = 0
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="items to browsers", daemon=True)

    @property
    def clients(self) -> int:
        """How many browsers are connected."""
        return len(self._clients)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def give(self, item: Item) -> None:
        """Send an item to all, without waiting for any of them; from any thread.

        Raises
        ------
        SinkError
            If nobody serves any more.
        """
        with self._lock:
            self._fresh.append(item)
            too_many = len(self._fresh) > FRESH
            if too_many:
                self._fresh.popleft()
            must_wake, self._is_woken = not self._is_woken, True
        if too_many:
            self._miss(1)
        if must_wake:
            try:
                self._loop.call_soon_threadsafe(self._spread)
            except RuntimeError as error:  # the loop is closed; what ended it was said when it did
                raise SinkError(f"{self._title}: items are served no more") from error

    def close(self) -> None:
        """Give the browsers a moment to take what waits for them, and end."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # it has just ended by itself
                self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()
        self._listener.close()

    def _spread(self) -> None:
        with self._lock:
            fresh, self._fresh = self._fresh, deque()
            self._is_woken = False
        self._items += len(fresh)
        self._kept.extend(fresh)
        for client in self._clients:
            if missed := client.offer(fresh):
                self._miss(missed)

    def _miss(self, count: int) -> None:
        self._missed += count
        self._on_missed(count)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serving())
        finally:
            self._loop.close()

    async def _serving(self) -> None:
        from websockets.asyncio.server import serve

        quiet = logging.getLogger("penstock.websocket")
        quiet.setLevel(logging.CRITICAL)  # what browsers do wrong is theirs
        options: dict[str, Any] = {"max_size": 1 << 10, "logger": quiet, "compression": None, "server_header": None}
        async with serve(
            self._talk,
            sock=self._listener,
            process_request=lambda _, request: self._answer(request),
            close_timeout=END_S,
            **options,
        ):
            await self._end.wait()
            self._spread()
            waiting = [asyncio.create_task(client.emptied()) for client in self._clients]
            if waiting:
                await asyncio.wait(waiting, timeout=END_S)
                for task in waiting:
                    task.cancel()

    async def _talk(self, connection: Any) -> None:
        client = _Client(self._kept)
        self._clients.add(client)
        hearing = asyncio.create_task(_listen(connection))
        sending = asyncio.create_task(client.send_all(connection))
        try:
            await asyncio.wait((hearing, sending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._clients.discard(client)
            for task in (hearing, sending):
                task.cancel()
            await asyncio.gather(hearing, sending, return_exceptions=True)

    def _answer(self, request: Any) -> Any:  # those of the library
        code, why = self._gate.refusal(request.path, request.headers)
        path = urlsplit(request.path).path
        if code:
            return _response(code, f"{why}\n", "text/plain")
        if path == "/":
            page = files("penstock.elements").joinpath("items.html").read_text("utf-8")
            return _response(200, page.replace("{title}", _escaped(self._title)), "text/html")
        if path == "/status":
            found = {"clients": len(self._clients), "items": self._items, "missed": self._missed}
            return _response(200, json.dumps(found), "application/json")
        if path != "/items":
            return _response(404, "there are /, /items for WebSocket, and /status\n", "text/plain")
        if "upgrade" not in request.headers.get("Connection", "").lower():
            return _response(426, "items come by WebSocket\n", "text/plain")
        if len(self._clients) >= MOST_CLIENTS:
            return _response(503, f"there are {MOST_CLIENTS} already\n", "text/plain")
        return None


class _Client:
    """What waits for one browser."""

    def __init__(self, kept: "deque[Item]") -> None:
        self._waiting = deque(kept)
        self._nbytes = sum(map(len, kept))
        self._is_wanted = asyncio.Event()
        self._is_wanted.set()
        self._is_empty = asyncio.Event()

    def offer(self, items: "deque[Item]") -> int:
        """Take items; return how many had to go for them, or with them."""
        missed = 0
        self._waiting.extend(items)
        self._nbytes += sum(map(len, items))
        while len(self._waiting) > AHEAD or (self._nbytes > AHEAD_BYTES and len(self._waiting) > 1):
            self._nbytes -= len(self._waiting.popleft())
            missed += 1
        self._is_empty.clear()
        self._is_wanted.set()
        return missed

    async def send_all(self, connection: Any) -> None:
        """Send, for as long as there is a browser."""
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):
            while True:
                await self._is_wanted.wait()
                while self._waiting:
                    item = self._waiting.popleft()
                    self._nbytes -= len(item)
                    await connection.send(item)
                self._is_wanted.clear()
                self._is_empty.set()

    async def emptied(self) -> None:
        """Wait until nothing waits."""
        await self._is_empty.wait()


async def _listen(connection: Any) -> None:
    """Wait until the browser goes; it has nothing to say."""
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        async for _ in connection:
            pass


def _response(code: int, body: str, kind: str) -> Any:
    from websockets.datastructures import Headers
    from websockets.http11 import Response

    raw = body.encode()
    challenge = {"WWW-Authenticate": "Bearer"} if code == 401 else {}
    said = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(raw)), "Connection": "close"}
    return Response(code, HTTPStatus(code).phrase, Headers({**said, **HEADERS, **challenge}), raw)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
