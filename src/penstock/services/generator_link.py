"""A generator as a link: it asks for items where the chain would hand them over, so it has a thread of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from threading import Semaphore, Thread
from typing import Any

from penstock.elements.step import Step
from penstock.services.chain_link import Mishaps
from penstock.services.fed import Row
from penstock.services.interrupt import HEARING_S
from penstock.services.taking_link import TakingLink

__all__ = ["GeneratorLink"]

CLOSE_S = 2.0
"""How long user code may take to end; what blocks for longer is left behind, and ends with the process."""


class GeneratorLink(TakingLink):
    """A generator of what comes before it, on a thread of its own that runs only while it is fed."""

    def __init__(self, step: Step, mishaps: Mishaps) -> None:
        super().__init__(step, mishaps)
        self._go, self._back = Semaphore(0), Semaphore(0)
        self._thread: Thread | None = None
        self._is_left = False

    async def feed(self, rows: Sequence[Row]) -> list[Row]:
        """Hand items over until it asks for more."""
        if self._is_running and self._has_other_parameters():
            await self._bring_out()
        self._inbox.extend(rows)
        while self._inbox and not self._is_over:
            self._run()
            if self._must_stop():
                break
        return self._taken()

    async def end(self) -> list[Row]:
        """Let it see the end of what comes before it."""
        if not self._is_over:
            await self._bring_out()
        return self._taken()

    async def _bring_out(self) -> None:
        """Let it end; the next one may be made with other values of parameters."""
        self._has_ended = True
        self._run()
        self._must_stop()
        self._has_ended = self._is_over = self._is_running = False

    def close(self) -> None:
        """Close the generator, as if it were closed where it waits for the next item."""
        self._is_left = True
        if self._thread is not None and self._thread.is_alive():
            self._go.release()
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        """Let the generator run until it asks for an item that is not there, or ends."""
        if not self._is_running:
            self._is_running, self._has_taken, self._call = True, False, self._step.call
            arguments = self._work, self._call
            self._thread = Thread(target=copy_context().run, args=arguments, name=self._step.name, daemon=True)
            self._thread.start()
        self._go.release()
        while not self._back.acquire(timeout=HEARING_S):
            pass  # a signal is heard here

    def _work(self, call: Callable[[Any], Any]) -> None:
        self._go.acquire()
        try:
            if not self._is_left:
                self._bring(call)
            self._is_over = True
        except GeneratorExit:
            pass
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; it is judged later
            self._error = error
        self._back.release()

    def _bring(self, call: Callable[[Any], Any]) -> None:
        for value in call(_Upstream(self._next)):
            self._yielded(value)
            if self._is_left:  # it would not be closed
                return

    def _next(self) -> Any:  # an item
        while not self._inbox:
            if self._has_ended:
                raise StopIteration
            self._back.release()
            self._go.acquire()
            if self._is_left:
                raise GeneratorExit
        return self._take()


class _Upstream(Iterator[Any]):
    """What comes before a step; no generator, so that it can be asked again after it has ended."""

    def __init__(self, take: Callable[[], Any]) -> None:
        self._take = take

    def __next__(self) -> Any:  # an item
        return self._take()
