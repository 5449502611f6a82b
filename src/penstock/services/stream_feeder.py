"""Sends the feeds of one connection in turn, in a thread of its own once there is something to send later.

It waits for streams and for credit without looking again and again.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from select import POLLIN, poll
from typing import Protocol

from penstock.errors import PenstockError, RemoteProtocolError, ServiceError
from penstock.services.stored_frames import stored_frame
from penstock.services.stream_feed import Feed, FetchFeed, FollowFeed, Step
from penstock.streams.store import StoredBlock
from penstock.transport.link import Piece
from penstock.wire import stream_requests as say
from penstock.wire.refusals import refusal_of

__all__ = ["StreamFeeder"]

_MOST_FEEDS = 4096
_MOST_CREDIT = 1 << 40


class Send(Protocol):
    """Sends one frame."""

    def __call__(self, number: int, answer: say.Answer, *body: Piece) -> None:
        """Send it; from any thread."""


class StreamFeeder:
    """The feeds of one connection.

    Parameters
    ----------
    send
        Sends one frame; may be called from the feeder's thread.
    drop
        Ends the connection, if sending from the feeder's thread fails.
    """

    def __init__(self, send: Send, drop: Callable[[str], None]) -> None:
        self._send, self._drop = send, drop
        self._lock = threading.Lock()
        self._feeds: dict[int, Feed] = {}
        self._granted: dict[int, int] = {}
        self._removed: set[int] = set()
        self._thread: threading.Thread | None = None
        self._wake = -1
        self._is_closed = False

    def add(self, feed: FetchFeed | FollowFeed) -> None:
        """Begin to feed; what is there now, and the first credit allows, is sent before this returns.

        Raises
        ------
        RemoteProtocolError
            If there is one of this number, or too many.
        """
        with self._lock:
            if feed.number in self._feeds or len(self._feeds) >= _MOST_FEEDS:
                feed.close()
                raise RemoteProtocolError(f"feed {feed.number} is open, or {_MOST_FEEDS} are")
        # A small answer is sent from here, without waking another thread for it.
        try:
            while self._advance(feed) is None:
                pass
        except BaseException:
            feed.close()
            raise
        if feed.number < 0:
            return
        with self._lock:
            self._feeds[feed.number] = feed
            if self._thread is None:
                self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                self._thread = threading.Thread(target=self._run, name="stream feeder", daemon=True)
                self._thread.start()
        self._tell()

    def allow(self, number: int, nbytes: int) -> None:
        """Give a feed more credit; one that has ended meanwhile needs none."""
        with self._lock:
            if number not in self._feeds:
                return
            self._granted[number] = min(self._granted.get(number, 0) + nbytes, _MOST_CREDIT)
        self._tell()

    def remove(self, number: int) -> None:
        """Stop a feed."""
        with self._lock:
            if number not in self._feeds:
                return
            self._removed.add(number)
        self._tell()

    def close(self) -> None:
        """Stop all of them."""
        with self._lock:
            self._is_closed = True
        self._tell()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            os.close(self._wake)
            self._wake = -1

    def _tell(self) -> None:
        if self._wake >= 0:
            with suppress(BlockingIOError):
                os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        try:
            while self._take_orders():
                moved = [feed for feed in list(self._feeds.values()) if self._advance(feed) is None]
                for number, feed in list(self._feeds.items()):
                    if feed.number < 0:
                        with self._lock:
                            del self._feeds[number]
                if not moved:
                    self._wait()
        except OSError as error:
            self._drop(str(error))
        finally:
            for feed in self._feeds.values():
                feed.close()

    def _take_orders(self) -> bool:
        """Do what the other thread has asked for; return whether to go on."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        with self._lock:
            for number, nbytes in self._granted.items():
                if number in self._feeds:
                    self._feeds[number].credit = min(self._feeds[number].credit + nbytes, _MOST_CREDIT)
            self._granted.clear()
            gone = [self._feeds.pop(number) for number in self._removed if number in self._feeds]
            self._removed.clear()
            is_open = not self._is_closed
        for feed in gone:
            feed.close()
        return is_open

    def _wait(self) -> None:
        poller = poll()
        poller.register(self._wake, POLLIN)
        for feed in self._feeds.values():
            if (fd := feed.fd) is not None:
                poller.register(fd, POLLIN)
        poller.poll()

    def _advance(self, feed: Feed) -> Step | None:
        """Send the next of one feed; return what it waits for, ``None`` if there may be more.

        At its end its number becomes -1.
        """
        try:
            found = feed.step()
        except PenstockError as error:
            self._finish(feed, refusal_of(error))
            return Step.END
        except OSError as error:
            self._finish(feed, refusal_of(ServiceError(f"the store cannot be read: {error}")))
            return Step.END
        if found is Step.WAIT:
            return Step.WAIT
        if found is Step.END:
            self._finish(feed, say.Done())
            return Step.END
        if isinstance(found, StoredBlock):
            self._send_block(feed, found)
        else:
            self._send(feed.number, say.Arrived(*found))
        return None

    def _send_block(self, feed: Feed, stored: StoredBlock) -> None:
        head, body, nbytes = stored_frame(stored)
        feed.credit -= max(nbytes, 1)
        self._send(feed.number, head, *body)

    def _finish(self, feed: Feed, answer: say.Answer) -> None:
        number, feed.number = feed.number, -1
        feed.close()
        self._send(number, answer)
