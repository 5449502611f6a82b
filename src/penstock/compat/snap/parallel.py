"""SNAP's ``snap.Parallel``: a function that several threads or processes call at once, each for another item.

Results come as they are ready, so their order is free. A pipeline file has ``workers`` of a stage for it; this is for
files of SNAP's and for modules that import it.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from penstock.compat.snap.recipe import Recipe

__all__ = ["Parallel"]

PER_WORKER: Final = 2
"""Items in hand for each worker; who puts more waits."""


@dataclass(slots=True, kw_only=True)
class _Work:
    """What is there while somebody works."""

    pool: Executor
    room: asyncio.Semaphore
    ready: "asyncio.Queue[asyncio.Future[Any] | None]" = field(default_factory=asyncio.Queue)
    """What has been returned or raised, in that order; ``None`` when nothing more will."""

    def note(self, future: "asyncio.Future[Any]") -> None:
        """Take what is ready."""
        if not future.cancelled():
            self.ready.put_nowait(future)


class Parallel:
    """A buffer that calls a function for what is put and gives what it returns.

    Parameters
    ----------
    function
        What is called with each item: a function, or its name as ``module:function``. In processes a function that is
        made by another, a closure, must be given by name, because it is made again there.
    executor
        ``thread`` or ``process``.
    max_workers
        How many at once; by default as many as the machine has processors.
    arguments
        If the function is given by name: what that is called with to make the function; ``None``: it is the function.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    def __init__(
        self,
        function: Callable[[Any], Any] | str,
        executor: Literal["thread", "process"] = "thread",
        max_workers: int | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        if executor not in ("thread", "process"):
            raise ValueError(f'"{executor}" is no executor; write thread or process')
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"{max_workers} workers do nothing; write at least 1")
        self._recipe = Recipe(function, arguments) if isinstance(function, str) else None
        self._is_process = executor == "process"
        self._call = function if callable(function) else self._called_by_name()
        self._workers = max_workers or len(os.sched_getaffinity(0))
        self._work: _Work | None = None
        self._in_hand = 0
        self._has_ended = False

    async def put(self, item: Any) -> None:
        """Give an item to the next free worker; wait while there are many in hand."""
        work = self._opened()
        await work.room.acquire()
        self._in_hand += 1
        future = asyncio.get_running_loop().run_in_executor(work.pool, self._call, item)
        future.add_done_callback(work.note)

    async def get(self) -> Any:
        """Return the next result that is ready.

        Raises
        ------
        StopAsyncIteration
            If nothing more will come.
        """
        work = self._opened()
        future = await work.ready.get()
        if future is None:
            raise StopAsyncIteration
        self._in_hand -= 1
        work.room.release()
        self._tell_end(work)
        return future.result()

    async def end(self) -> None:
        """Learn that nothing more will be put."""
        self._has_ended = True
        self._tell_end(self._opened())

    def close(self) -> None:
        """End the workers; what waits for one is given up."""
        if self._work is not None:
            self._work.pool.shutdown(wait=True, cancel_futures=True)
            self._work = None

    def _tell_end(self, work: "_Work") -> None:
        if self._has_ended and not self._in_hand:
            work.ready.put_nowait(None)

    def _opened(self) -> "_Work":
        """Return what works, made in the loop of whoever puts or gets first."""
        if self._work is None:
            pool = self._processes() if self._is_process else ThreadPoolExecutor(self._workers, "parallel")
            self._work = _Work(pool=pool, room=asyncio.Semaphore(PER_WORKER * self._workers))
        return self._work

    def _called_by_name(self) -> Callable[[Any], Any]:
        assert self._recipe is not None, "what cannot be called is a name"
        call: Callable[[Any], Any] = _in_child if self._is_process else self._recipe.object()
        return call

    def _processes(self) -> ProcessPoolExecutor:
        # A fork of a process with threads may find locks that nobody will open.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._workers, context, initializer=_begin_child, initargs=(self._recipe,))


_function: Callable[[Any], Any] | None = None
"""Of a child: what it calls."""


def _begin_child(recipe: Recipe | None) -> None:
    global _function  # noqa: PLW0603 - a pool's child has no other place for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent ends its children
    if recipe is not None:
        _function = recipe.object()


def _in_child(item: Any) -> Any:
    assert _function is not None, "a child begins with its function"
    return _function(item)
