"""An event loop on a thread of its own: user code that waits goes on while nobody feeds it."""

from collections.abc import Coroutine
from contextvars import copy_context
from threading import Thread
from typing import Any

from penstock.services.interrupt import HEARING_S

__all__ = ["LoopThread"]

CLOSE_S = 2.0
"""How long tasks may take to end when they are cancelled; a loop that cannot end is left behind."""


class LoopThread:
    """Run coroutines one after the other, and whatever tasks they leave behind.

    Parameters
    ----------
    name
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        import asyncio

        self._loop = asyncio.new_event_loop()
        # What time it is goes with the context.
        self._thread = Thread(target=copy_context().run, args=(self._live,), name=f"{name}.loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:  # whatever it returns
        """Run a coroutine to its end; raises what it raises."""
        import asyncio

        working = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            try:
                return working.result(HEARING_S)
            except TimeoutError:  # a signal is heard here
                if working.done():  # perhaps just now, or what it ran raised this
                    return working.result()

    def close(self) -> None:
        """Cancel everything, and end."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_S + 1)

    def _live(self) -> None:
        import asyncio

        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            if tasks:
                self._loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSE_S))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
