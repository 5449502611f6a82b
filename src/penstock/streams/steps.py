"""One implementation for two faces: what must be waited for is yielded, and either blocks the thread or is awaited.

A method of a core is a generator of steps. ``run`` is how plain callers go through it, ``run_async`` how coroutines do.
Neither needs a thread or a loop of its own.
"""

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Call", "Step", "Steps", "run", "run_async"]

T = TypeVar("T")


class Step(Protocol):
    """Something that takes time."""

    def block(self) -> Any:  # Any: what it gives is known where it is yielded
        """Do it, however long it takes."""

    async def wait(self) -> Any:
        """Do it without keeping the loop."""


Steps = Generator[Step, Any, T]


class Call(Generic[T]):
    """A call that may take time, such as one that opens a file; for coroutines it is made in a thread."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call

    def block(self) -> T:
        """Make it."""
        return self._call()

    async def wait(self) -> T:
        """Make it in a thread."""
        return await asyncio.to_thread(self._call)


def run(steps: Steps[T]) -> T:
    """Go through all steps, blocking, and return what they return."""
    go: Callable[[], Step] = steps.__next__
    while True:
        try:
            step = go()
        except StopIteration as stop:
            result: T = stop.value
            return result
        try:
            answer = step.block()
        except BaseException as error:  # noqa: BLE001  # the steps decide; KeyboardInterrupt too must close them
            go = _thrown(steps, error)
        else:
            go = _sent(steps, answer)


async def run_async(steps: Steps[T]) -> T:
    """Go through all steps, awaiting them, and return what they return."""
    go: Callable[[], Step] = steps.__next__
    while True:
        try:
            step = go()
        except StopIteration as stop:
            result: T = stop.value
            return result
        try:
            answer = await step.wait()
        except BaseException as error:  # noqa: BLE001  # the steps decide; CancelledError too must close them
            go = _thrown(steps, error)
        else:
            go = _sent(steps, answer)


def _thrown(steps: Steps[T], error: BaseException) -> Callable[[], Step]:
    return lambda: steps.throw(error)


def _sent(steps: Steps[T], answer: Any) -> Callable[[], Step]:
    return lambda: steps.send(answer)
