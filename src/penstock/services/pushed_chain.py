"""A chain of steps of any shape that is driven by what is pushed into it. It keeps no books and knows no stage.

Without any async part everything runs in the caller's thread, but for generators, which take turns with it. With
one, everything runs in a loop on a thread of the chain's own, the hooks too, so that no two of them are called at once.
"""

import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from penstock.elements.shape import StepShape, is_async_call
from penstock.elements.step import Step
from penstock.monitor.feedback import AT_WORK
from penstock.services.async_generator_link import AsyncGeneratorLink
from penstock.services.buffer_link import BufferLink
from penstock.services.called_links import Coroutines, Functions
from penstock.services.chain_link import ChainLink, Mishaps
from penstock.services.fed import Fed, Row
from penstock.services.generator_link import GeneratorLink
from penstock.services.loop_thread import LoopThread

__all__ = ["PushedChain", "needs_pushing"]


def needs_pushing(steps: Sequence[Step]) -> bool:
    """Whether a chain is more than functions, each called with what the one before it returned."""
    return any(step.shape is not StepShape.FUNCTION for step in steps)


class PushedChain:
    """Give rows to the first step, and take what the last one gives.

    Parameters
    ----------
    steps
        Made for one run.
    nothing
        What something belongs to that came before any item.
    name
        Of the stage.
    beat
        Called when something comes out while the rest is waited for: who waits does not hang.
    """

    def __init__(self, steps: Sequence[Step], nothing: Fed, name: str, beat: Callable[[], None] = lambda: None) -> None:
        self._beat = beat
        self.mishaps = Mishaps(nothing)
        self.renumbers = any(step.shape.takes_upstream or step.shape is StepShape.BUFFER for step in steps)
        """Whether what comes out is not one for one of what goes in."""
        is_late = any(step.shape in (StepShape.ASYNC_GENERATOR, StepShape.BUFFER) for step in steps)
        # Woken once to begin with: some have something to give before anything comes.
        self.fd = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC) if is_late else None
        """Can be read when something has come out that nobody has taken; ``None`` if it never does by itself."""
        self._is_closed = self._has_ended = False
        self._loop = LoopThread(name) if any(map(_is_async, steps)) else None
        self._steps = steps
        self._links: list[ChainLink] = self._run(self._made())

    def feed(self, rows: Sequence[Row]) -> list[Row]:
        """Push rows in; return what came out, also of earlier ones. ``mishaps`` says whether it can go on."""
        self._was_woken()
        return self._run(self._feed(rows))

    def late(self) -> list[Row]:
        """Return what has come out by itself."""
        is_over = self._has_ended or self.mishaps.error is not None
        return self._run(self._feed(())) if self._was_woken() and not is_over else []

    def end(self) -> list[Row]:
        """Say that nothing more will come; return the rest."""
        if self._has_ended:
            return []
        self._has_ended = True
        return self._run(self._end())

    def call(self, hook: Callable[..., Any], *arguments: Any) -> Any:  # whatever the user's hook returns
        """Call something where the steps run."""
        if self._loop is None or self._is_closed:
            return hook(*arguments)
        found, error = self._loop.run(_called(hook, arguments))
        if error is not None:
            raise error
        return found

    def close(self) -> None:
        """Let go of everything."""
        if self._is_closed:
            return
        self._is_closed = True
        for link in self._links:
            link.close()
        if self._loop is not None:
            self._loop.close()
        if self.fd is not None:
            fd, self.fd = self.fd, None
            os.close(fd)

    def _was_woken(self) -> bool:
        if self.fd is None:
            return False
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return False
        return True

    async def _made(self) -> list[ChainLink]:
        """Make the links, where they will run."""
        links: list[ChainLink] = []
        for is_function, alike in groupby(self._steps, lambda step: step.shape is StepShape.FUNCTION):
            steps = list(alike)
            links += [Functions(steps, self.mishaps)] if is_function else map(self._link, steps)
        return links

    def _link(self, step: Step) -> ChainLink:
        match step.shape:
            case StepShape.COROUTINE:
                return Coroutines(step, self.mishaps)
            case StepShape.GENERATOR:
                return GeneratorLink(step, self.mishaps)
            case StepShape.ASYNC_GENERATOR:
                return AsyncGeneratorLink(step, self.mishaps, self._wake)
            case _:
                return BufferLink(step, self.mishaps, self._wake, self._pause)

    async def _feed(self, rows: Sequence[Row]) -> list[Row]:
        found = list(rows)
        for link in self._links:
            found = await link.feed(found)
        AT_WORK.set(None)
        return found

    async def _end(self) -> list[Row]:
        found: list[Row] = []
        for link in self._links:
            found = [*await link.feed(found), *await link.end()]
        return found

    def _run(self, work: Coroutine[Any, Any, list[Any]]) -> list[Any]:
        if self._loop is not None:
            found: list[Any] = self._loop.run(work)
            return found
        try:
            work.send(None)
        except StopIteration as returned:
            done: list[Any] = returned.value
            return done
        raise AssertionError("a chain without async parts waits for nothing")

    async def _pause(self, s: float) -> None:
        if self._loop is not None:
            import asyncio

            await asyncio.sleep(s)
        else:
            import time

            time.sleep(s)

    def _wake(self) -> None:
        self._beat()
        fd = self.fd
        if fd is not None:
            with suppress(OSError):  # it was closed just now
                os.eventfd_write(fd, 1)


def _is_async(step: Step) -> bool:
    if step.shape is not StepShape.BUFFER:
        return step.shape.is_async
    calls = (getattr(step.thing, name, None) for name in ("put", "get", "end"))
    return any(call is not None and is_async_call(call) for call in calls)


async def _called(hook: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Any, BaseException | None]:
    try:
        return hook(*arguments), None
    except BaseException as error:  # noqa: BLE001 - what ends a process would end the loop; it is raised where it belongs
        return None, error
