"""SNAP's ``snap.Parallel``: a function that several threads or processes call at once, each for another item.

Results come as they are ready, so their order is free. A pipeline file has ``workers`` of a stage for it, which is what
a file of SNAP's gets for processes; this is for threads, and for modules that make one themselves.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from penstock.compat.snap.outcome import Outcome
from penstock.compat.snap.process_calls import ProcessCalls
from penstock.compat.snap.recipe import Recipe
from penstock.compat.snap.things import named_step, workers_entry
from penstock.compat.snap.thread_calls import ThreadCalls
from penstock.elements.signature import name_of
from penstock.elements.stage_of_its_own import StageOfItsOwn
from penstock.errors import CheckError, PenstockError, ServiceError
from penstock.pipeline.plan import Element
from penstock.pipeline.reference import reference_of

__all__ = ["Parallel"]

PER_WORKER: Final = 2
"""Items in hand for each worker; who puts more waits."""


class _Calls(Protocol):
    """Whoever calls the function."""

    def call(self, item: Any) -> None: ...

    def end(self) -> None: ...

    def close(self) -> None: ...


class Parallel(StageOfItsOwn):
    """A buffer that calls a function for what is put and gives what it returns; ``None`` is given to nobody.

    Parameters
    ----------
    function
        What is called with each item: a function, or its name as ``module:function``. Processes have it by name, so
        there it is one at the top of a module; a function that is made by another, a closure, must be given by name.
    executor
        ``thread``, in which all call the same function, or ``process``, where each has its own. To processes only plain
        values, arrays, dataclasses and containers of them can go, and come back. One that dies is replaced, and its
        items are given to others.
    max_workers
        How many at once; by default as many as the machine has processors.
    arguments
        If the function is given by name: what that is called with to make the function; ``None``: it is the function.

    Raises
    ------
    ValueError
        If an argument is none of these, or a process cannot have the function.
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
        workers = max_workers or len(os.sched_getaffinity(0))
        self._make_calls: Callable[..., _Calls]
        if executor == "process":
            recipe = _imported(Recipe(function, arguments)) if isinstance(function, str) else _recipe_of(function)
            self._make_calls = partial(ProcessCalls, recipe, workers)
        else:
            call = Recipe(function, arguments).object() if isinstance(function, str) else function
            self._make_calls = partial(ThreadCalls, call, workers)
        self._room = asyncio.Semaphore(PER_WORKER * workers)
        self._ready: asyncio.Queue[Outcome | None] = asyncio.Queue()
        """What has been returned or raised, in that order; ``None`` when nothing more will."""
        self._calls: _Calls | None = None
        self._is_closed = False
        self._trouble: PenstockError | None = None

    @classmethod
    def entry(cls, arguments: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the stage with workers that a pipeline has for one in processes whose function has a name."""
        asked = dict(arguments)
        function, workers, executor = (
            asked.pop("function", None),
            asked.pop("max_workers", None),
            asked.pop("executor", ""),
        )
        given = asked.pop("arguments", None)
        is_right = isinstance(function, str) and isinstance(given, Mapping | None) and isinstance(workers, int | None)
        if executor != "process" or asked or not is_right:
            return None
        return workers_entry(named_step(function, given), workers)

    async def put(self, item: Any) -> None:
        """Give an item to the next free worker; wait while there are many in hand.

        Raises
        ------
        ServiceError
            If it is closed, or its workers cannot go on.
        """
        await self._room.acquire()
        if self._is_closed:
            self._room.release()  # and so on, until everybody has heard of it
            raise ServiceError("its workers have ended, and nobody calls the function any more")
        self._opened().call(item)

    async def get(self) -> Any:
        """Return the next result that is ready.

        Raises
        ------
        StopAsyncIteration
            If nothing more will come.
        UserCodeError
            If the function raised in a process, or the item cannot go there; in a thread what the function raised.
        """
        if not self._is_closed:
            self._opened()
        while (outcome := await self._ready.get()) is not None:
            self._room.release()
            if (value := outcome.result()) is not None:
                return value
        self._ready.put_nowait(None)  # for whoever asks again
        if self._trouble is not None:
            raise self._trouble
        raise StopAsyncIteration

    async def end(self) -> None:
        """Learn that nothing more will be put."""
        if not self._is_closed:
            self._opened().end()

    def close(self) -> None:
        """End the workers; what waits for one is given up."""
        if self._calls is not None:
            self._calls.close()
        self._end(None)

    def _end(self, trouble: PenstockError | None) -> None:
        """Let everybody know who waits."""
        if not self._is_closed:
            self._is_closed = True
            self._trouble = trouble
            self._ready.put_nowait(None)
            self._room.release()

    def _opened(self) -> _Calls:
        """Return who calls the function, made in the loop of whoever puts or gets first."""
        if self._calls is None:
            self._calls = self._make_calls(self._ready.put_nowait, self._end)
        return self._calls


def _recipe_of(function: Any) -> Recipe:
    """Return how a process can have a function."""
    module = getattr(function, "__module__", None) or type(function).__module__
    element = Element(name=f"{module}:{name_of(function)}", target=function)
    try:
        return Recipe(reference_of(element, Path(sys.path[0])))
    except CheckError as error:
        remedy = (
            'put a function at the top of a module, write one that is made by another as "module:function" with '
            "arguments, or write executor: thread"
        )
        raise ValueError(f"{error.problems[0].text}; {remedy}") from error


def _imported(recipe: Recipe) -> Recipe:
    """Return a recipe of which all that it names is there; what is made of it is made in the processes only."""
    try:
        Recipe(recipe.name).object()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{recipe.name} cannot be imported: {error}; write module:function") from error
    return recipe
