"""The one thread and the one WebSocket over which all figures of a connection hear of changes.

It runs while anybody follows a view, takes at most a quarter of the time while a cell runs, and tries again when the
pipeline has gone. Who is told is told in that thread.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Condition, Thread
from typing import Final, Protocol

import httpx
import msgspec

from penstock.errors import RemoteProtocolError
from penstock.extra import extra
from penstock.notebook.about import Wish
from penstock.notebook.cells import CELLS
from penstock.notebook.inbox import Inbox, Part, Problem

with extra("notebook"):
    from websockets.exceptions import ConnectionClosedError, WebSocketException
    from websockets.sync.client import ClientConnection
    from websockets.sync.client import connect as open_socket

__all__ = ["Feed", "Follower", "Standing"]

TICK_S: Final = 0.5
"""How often it is looked how things stand, where nothing comes."""
LOOK_S: Final = 2.0
"""How often it is asked whether the run has ended."""
RETRY_S: Final = 1.0
ANSWER_S: Final = 5.0
"""How long an answer may take."""
DRAWING: Final = {False: 0.75, True: 0.25}
"""For which part of the time is drawn at most, by whether a cell runs: the rest is the user's."""
MOST_BYTES: Final = 64 << 20
"""Of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How it is with the pipeline."""

    run: str = ""
    has_ended: bool = False
    why_gone: str = ""
    """Why nobody answers; empty while somebody does."""
    since_s: float = 0.0
    """Since when nobody answers, seconds since 1970."""
    session: int = 0
    """The how manieth connection it is: after another one everything may be different."""


_TROUBLES: Final = (OSError, WebSocketException, httpx.HTTPError, RemoteProtocolError, ValueError, KeyError)
"""With which a connection ends, or does not begin."""


class Follower(Protocol):
    """What follows views."""

    def wishes(self) -> list[Wish]:
        """Return what is wanted now."""

    def take(self, news: list[Part | Problem], standing: Standing) -> None:
        """Show these, and how things stand; without news, only that."""

    def fail(self, error: Exception) -> None:
        """Show that showing has failed."""

    def stop(self) -> None:
        """Follow no more."""


class Feed:
    """What followers hear from one pipeline.

    Parameters
    ----------
    address
        ``http://HOST:PORT``.
    token
        Empty: none.
    is_busy
        Whether the user's code needs the processor.
    """

    def __init__(self, address: str, token: str = "", is_busy: Callable[[], bool] = lambda: CELLS.is_busy) -> None:
        self._is_busy = is_busy
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._followers: list[Follower] = []
        self._change = Condition()
        self._socket: ClientConnection | None = None
        self._thread: Thread | None = None
        self._standing = Standing()

    @property
    def is_running(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def follow(self, follower: Follower) -> None:
        """Tell somebody from now on; twice is once."""
        with self._change:
            if follower not in self._followers:
                self._followers.append(follower)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="penstock-figures", daemon=True)
                self._thread.start()
            self._change.notify_all()
        self.wish()

    def leave(self, follower: Follower) -> None:
        """Tell somebody no more. The thread ends with the last one, within a second."""
        with self._change:
            if follower in self._followers:
                self._followers.remove(follower)
            self._change.notify_all()
        self.wish()

    def close(self) -> None:
        """Tell nobody any more."""
        with self._change:
            followers = list(self._followers)
        for each in followers:
            each.stop()

    def wish(self) -> None:
        """Send what is wanted now: after it has changed."""
        with self._change:
            socket, wishes = self._socket, [wish for each in self._followers for wish in each.wishes()]
        if socket is None:
            return
        text = json.dumps({"watch": msgspec.to_builtins(list(dict.fromkeys(wishes)))})
        try:
            socket.send(text)
        except (OSError, WebSocketException):  # the thread finds out, and sends it over the next connection
            return

    def _run(self) -> None:
        with httpx.Client(headers=self._headers, timeout=ANSWER_S) as http:
            while self._has_followers():
                try:
                    with self._connected(http) as socket:
                        self._serve(socket, http)
                except _TROUBLES as error:
                    self._say_gone(error)
                    with self._change:
                        self._change.wait_for(lambda: not self._followers, RETRY_S)

    def _has_followers(self) -> bool:
        """Whether to go on; else the thread is given up under the same lock, so that the next one makes another."""
        with self._change:
            if not self._followers:
                self._thread = None
            return bool(self._followers)

    @contextmanager
    def _connected(self, http: httpx.Client) -> Iterator[ClientConnection]:
        standing = self._asked(http)
        url = f"ws{self._address.removeprefix('http')}/api/v1/changes"
        socket = open_socket(
            url, additional_headers=self._headers, compression=None, max_size=MOST_BYTES, open_timeout=ANSWER_S,
            close_timeout=1, ping_interval=None,  # that it answers is seen by asking for the run
        )  # fmt: skip
        with socket:
            with self._change:
                self._socket = socket
                self._standing = replace(standing, session=self._standing.session + 1)
            try:
                self.wish()
                yield socket
            finally:
                with self._change:
                    self._socket = None

    def _serve(self, socket: ClientConnection, http: httpx.Client) -> None:
        inbox, rest_until_s, look_at_s = Inbox(), 0.0, time.monotonic() + LOOK_S
        while self._still_followed():
            now_s = time.monotonic()
            wait_s = min(TICK_S, max(0.0, rest_until_s - now_s)) if inbox else TICK_S
            _hear(socket, inbox, wait_s)
            now_s = time.monotonic()
            if now_s >= look_at_s:
                self._standing = replace(self._asked(http), session=self._standing.session)
                look_at_s = now_s + LOOK_S
            if inbox and now_s < rest_until_s:
                continue
            self._tell(list(inbox.take()))
            rest_until_s = time.monotonic() + (time.monotonic() - now_s) * (1 / DRAWING[self._is_busy()] - 1)

    def _still_followed(self) -> bool:
        with self._change:
            return bool(self._followers)

    def _asked(self, http: httpx.Client) -> Standing:
        answer = http.get(f"{self._address}/api/v1/run")
        answer.raise_for_status()
        said = answer.json()
        return Standing(run=str(said["run"]), has_ended=bool(said["ended"]))

    def _say_gone(self, error: Exception) -> None:
        why = "the connection broke off" if isinstance(error, ConnectionClosedError) else str(error).split("\n")[0]
        since_s = self._standing.since_s or time.time()
        self._standing = replace(self._standing, why_gone=why or type(error).__name__, since_s=since_s)
        self._tell([])

    def _tell(self, news: list[Part | Problem]) -> None:
        with self._change:
            followers = [(each, {(wish.view, wish.slice) for wish in each.wishes()}) for each in self._followers]
        for follower, wanted in followers:
            mine = [each for each in news if (each.view, each.slice) in wanted]
            try:
                follower.take(mine, self._standing)
            except Exception as error:  # noqa: BLE001 - one figure's trouble must not end the others'; it says so itself
                follower.fail(error)


def _hear(socket: ClientConnection, inbox: Inbox, wait_s: float) -> None:
    """Take what comes within so long, and then all that is there already: only the newest is shown."""
    with_patience = wait_s
    while True:
        try:
            inbox.feed(socket.recv(timeout=with_patience))
        except TimeoutError:
            return
        with_patience = 0.0
