"""Wait for sockets and file descriptors without using the processor meanwhile.

ZeroMQ is imported only where one of its sockets is waited for.
"""

import select
import time
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["Waiter"]


class Waiter:
    """Wait until one of several things can be read."""

    def __init__(self) -> None:
        self._pollables: dict[Any, None] = {}  # in the order in which they came
        self._polled: tuple[Any, ...] = ()
        self._poll: Any = None  # the poll of a select.poll or zmq.Poller

    def add(self, pollable: Any) -> None:
        """Wait for this too: a ZeroMQ socket or a file descriptor; ``None`` changes nothing."""
        if pollable is not None:
            self._pollables[pollable] = None

    def drop(self, pollable: Any) -> None:
        """Wait for this no more; it may be closed already. ``None`` changes nothing."""
        self._pollables.pop(pollable, None)

    def wait(self, longest_s: float, without: Sequence[Any] = ()) -> None:
        """Return when something can be read, or after so many seconds; what is in ``without`` does not count.

        The time is kept to within 0.1 ms. In its last millisecond what can be read is not noticed.
        """
        until = time.monotonic() + longest_s
        if self._is_ready(longest_s, without):
            return
        # poll counts in whole ms, which is too coarse for a source of 1 kHz. select does not, but refuses descriptors
        # from 1024 on, as programs that we are only part of may have.
        left_s = until - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)

    def close(self) -> None:
        """Forget everything."""
        self._pollables.clear()
        self._polled, self._poll = (), None

    def _is_ready(self, longest_s: float, without: Sequence[Any]) -> bool:
        """Wait for whole milliseconds, and return whether something can be read."""
        polled = tuple([pollable for pollable in self._pollables if pollable not in without])
        if not polled:  # a poll of nothing would sleep as well, but only for whole milliseconds
            return False
        if polled != self._polled or self._poll is None:
            self._polled, self._poll = polled, _poller(polled).poll
        return bool(self._poll(max(0, int(longest_s * 1000))))


def _poller(pollables: Iterable[Any]) -> Any:  # select.poll or zmq.Poller, which are used alike
    poller: Any
    if all(isinstance(pollable, int) for pollable in pollables):
        poller = select.poll()
    else:
        import zmq

        poller = zmq.Poller()
    for pollable in pollables:
        poller.register(pollable, select.POLLIN)  # which is 1 in both
    return poller
