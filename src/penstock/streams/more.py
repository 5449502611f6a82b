"""The step that waits for more of one stream or of several, pushed by whoever writes them."""

import asyncio
from collections.abc import Sequence
from select import POLLIN, poll
from time import monotonic

from penstock.streams.store import StreamReader

__all__ = ["Deadline", "More"]


class Deadline:
    """When to stop waiting, if ever.

    Parameters
    ----------
    timeout_s
        From now; ``None`` for never.
    """

    __slots__ = ("_end_s",)

    def __init__(self, timeout_s: float | None) -> None:
        self._end_s = None if timeout_s is None else monotonic() + timeout_s

    @property
    def left_s(self) -> float | None:
        """How long there is, at least 0; ``None`` for ever."""
        return None if self._end_s is None else max(self._end_s - monotonic(), 0.0)

    @property
    def is_over(self) -> bool:
        """Whether to wait no longer."""
        return self._end_s is not None and monotonic() >= self._end_s


class More:
    """Waits until some stream has more than so many messages, or has ended; answers whether that is so.

    Parameters
    ----------
    watched
        Readers, each with how many messages are no news; at least one.
    timeout_s
        At most; ``None`` for ever.
    also
        A descriptor whose being readable is news, too; with it, no reader is needed.
    """

    def __init__(
        self, watched: Sequence[tuple[StreamReader, int]], timeout_s: float | None, also: int | None = None
    ) -> None:
        self._watched = watched
        self._also = also
        self._deadline = Deadline(timeout_s)

    def block(self) -> bool:
        """Wait in this thread."""
        if len(self._watched) == 1 and self._also is None:
            reader, position = self._watched[0]
            return reader.wait(position, self._deadline.left_s)
        poller = poll()
        for reader, _ in self._watched:
            poller.register(reader.fileno(), POLLIN)
        if self._also is not None:
            poller.register(self._also, POLLIN)
        while not self._has_news():
            left_s = self._deadline.left_s
            if left_s == 0:
                return False
            if self._also in [fd for fd, _ in poller.poll(None if left_s is None else 1000 * left_s)]:
                return True
        return True

    async def wait(self) -> bool:
        """Wait without keeping the loop; nothing looks again and again."""
        loop = asyncio.get_running_loop()
        while not self._has_news():
            changed = asyncio.Event()
            descriptors = [reader.fileno() for reader, _ in self._watched]
            if self._also is not None:
                descriptors.append(self._also)
            for fd in descriptors:
                loop.add_reader(fd, changed.set)
            try:
                async with asyncio.timeout(self._deadline.left_s):
                    await changed.wait()
            except TimeoutError:
                return self._has_news()
            finally:
                for fd in descriptors:
                    loop.remove_reader(fd)
            if self._also is not None and _is_readable(self._also):
                return True
        return True

    def _has_news(self) -> bool:
        news = [reader.wait(position, 0) for reader, position in self._watched]  # all, as asking makes each quiet
        return any(news)


def _is_readable(fd: int) -> bool:
    poller = poll()
    poller.register(fd, POLLIN)
    return bool(poller.poll(0))
