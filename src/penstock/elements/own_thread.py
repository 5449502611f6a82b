"""A thread on which a coroutine has a function called that may wait, the same thread each time.

The libraries of many instruments want to be called from one thread. It never holds up the end of a process.
"""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["OwnThread"]

Call = Callable[[], Any]


class OwnThread:
    """Calls functions, one after the other; begun with the first, ended by `close`.

    Python's own pools of threads are waited for at the end of a process, so a call that hangs would keep it; this one
    is left behind.

    Parameters
    ----------
    name
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Call, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def call(self, function: Call) -> Any:
        """Return what a function returns, or raise what it raises; it sees the caller's clock.

        When this coroutine is cancelled, the function goes on, and nobody learns what it returns.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        context = contextvars.copy_context()
        self._calls.put((lambda: context.run(function), answer))
        return await answer

    def close(self) -> None:
        """End the thread when its call returns, without waiting for that."""
        if self._thread is not None:
            self._calls.put(None)

    def _work(self) -> None:
        while (wanted := self._calls.get()) is not None:
            function, answer = wanted
            try:
                result, error = function(), None
            except BaseException as raised:  # noqa: BLE001 - whatever it is, whoever waits is told
                result, error = None, raised
            if isinstance(error, StopIteration):  # no future can hold it
                error = RuntimeError(f"{self._name}: what was called raised StopIteration")
            try:
                answer.get_loop().call_soon_threadsafe(_give, answer, result, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return


def _give(answer: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if answer.done():  # cancelled
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
