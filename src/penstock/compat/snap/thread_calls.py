"""Calls of a function in threads, which share it and their items with everybody else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from penstock.compat.snap.outcome import Outcome
from penstock.errors import PenstockError

__all__ = ["ThreadCalls"]


class ThreadCalls:
    """Threads that call a function, each for another item; whoever calls it is in one event loop.

    Parameters
    ----------
    function
        What is called.
    workers
        How many threads.
    tell, tell_end
        As of `ProcessCalls`.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        workers: int,
        tell: Callable[[Outcome], None],
        tell_end: Callable[[PenstockError | None], None],
    ) -> None:
        self._function = function
        self._tell, self._tell_end = tell, tell_end
        self._pool = ThreadPoolExecutor(workers, "parallel")
        self._under_way = 0
        self._has_ended = False

    def call(self, item: Any) -> None:
        """Have the function called with an item."""
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._function, item)
        future.add_done_callback(self._note)

    def end(self) -> None:
        """Have nothing more called; what was goes on."""
        self._has_ended = True
        if not self._under_way:
            self.close()
            self._tell_end(None)

    def close(self) -> None:
        """Begin nothing more, and wait for nobody: a thread that hangs would hold up the whole loop."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _note(self, future: "asyncio.Future[Any]") -> None:
        self._under_way -= 1
        if future.cancelled():
            return
        error = future.exception()
        self._tell(Outcome(error=error) if error is not None else Outcome(future.result()))
        if self._has_ended and not self._under_way:
            self.end()
