"""An async generator as a link: a task that asks for items, and may give some while none come."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from penstock.elements.step import Step
from penstock.services.chain_link import Mishaps
from penstock.services.fed import Row
from penstock.services.taking_link import TakingLink

__all__ = ["AsyncGeneratorLink"]


class AsyncGeneratorLink(TakingLink):
    """An async generator of what comes before it; it may give something while nothing comes."""

    def __init__(self, step: Step, mishaps: Mishaps, wake: Callable[[], None]) -> None:
        import asyncio

        super().__init__(step, mishaps)
        self._wake = wake
        self._news, self._asks = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def feed(self, rows: Sequence[Row]) -> list[Row]:
        """Hand items over until it asks for more."""
        self._must_stop()
        if self._is_running and self._has_other_parameters():
            await self._bring_out()
        self._inbox.extend(rows)
        while self._inbox and not self._is_over:
            await self._run()
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
        while not (self._is_over or self._error):
            await self._run()
        self._must_stop()
        self._has_ended = self._is_over = self._is_running = False

    async def _run(self) -> None:
        import asyncio

        if not self._is_running:
            self._is_running, self._has_taken, self._call = True, False, self._step.call
            self._task = asyncio.create_task(self._work(self._call))
        self._asks.clear()
        self._news.set()
        await self._asks.wait()

    async def _work(self, call: Callable[[Any], Any]) -> None:
        import asyncio

        try:
            async with aclosing(call(_AsyncUpstream(self._next))) as values:
                async for value in values:
                    self._yielded(value)
                    self._wake()
            self._is_over = True
        except asyncio.CancelledError as error:  # also if what user code waited for was cancelled
            self._error = error
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything; it is judged later
            self._error = error
        finally:
            self._asks.set()
            self._wake()

    async def _next(self) -> Any:  # an item
        while not self._inbox:
            if self._has_ended:
                raise StopAsyncIteration
            self._asks.set()
            self._news.clear()
            await self._news.wait()
        return self._take()  # not awaited for behind that: who stops waiting for it, loses nothing


class _AsyncUpstream:
    """What comes before an async step."""

    def __init__(self, take: Callable[[], Awaitable[Any]]) -> None:
        self._take = take

    def __aiter__(self) -> "_AsyncUpstream":
        return self

    async def __anext__(self) -> Any:  # an item
        return await self._take()
