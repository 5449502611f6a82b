"""Wait for sockets and file descriptors without using the processor meanwhile."""

import time
from collections.abc import Sequence
from typing import Any

__all__ = ["Waiter"]


class Waiter:
    """Wait until one of several things can be read."""

    def __init__(self) -> None:
        self._poller: Any = None

    def add(self, pollable: Any) -> None:  # zmq.Socket | int | None: ZeroMQ is imported only where it is used
        """Wait for this too; ``None`` is always ready and changes nothing."""
        if pollable is None:
            return
        if self._poller is None:
            import zmq

            self._poller = zmq.Poller()
        self._poller.register(pollable, 1)

    def drop(self, pollable: Any) -> None:
        """Wait for this no more; it may be closed already. ``None`` changes nothing."""
        if pollable is not None and self._poller is not None and pollable in self._poller:
            self._poller.unregister(pollable)

    def wait(self, longest_s: float, without: Sequence[Any] = ()) -> None:
        """Return when something can be read, or after so many seconds; what is in ``without`` does not count."""
        if self._poller is None:
            time.sleep(longest_s)
            return
        passed_over = [pollable for pollable in without if pollable in self._poller]
        for pollable in passed_over:
            self._poller.unregister(pollable)
        if self._poller.sockets:
            self._poller.poll(max(0, round(longest_s * 1000)))
        else:  # a poller of nothing would not wait at all
            time.sleep(longest_s)
        for pollable in passed_over:
            self.add(pollable)

    def close(self) -> None:
        """Forget everything."""
        self._poller = None
