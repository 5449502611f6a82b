"""A buffer as a link: items are put in as they come, and got out as it gives them."""

import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from threading import Event, Thread
from typing import Any

from penstock.elements.item_source import POLL_S
from penstock.elements.shape import is_async_call
from penstock.elements.step import Step
from penstock.services.chain_link import ChainLink, Mishaps, tried
from penstock.services.fed import Fed, Row

__all__ = ["BufferLink"]

SETTLED_S = 0.05
"""A buffer that can say that it is empty, but not that it has ended, has ended when it was empty for so long."""
SILENT_S = 1.0
"""One that can say neither has ended when it has given nothing for so long."""
MOST_WAITING = 1024
"""Items that were got from a buffer and nobody has taken; beyond, it is not asked."""

Pause = Callable[[float], Awaitable[None]]
"""Waits in the way that suits the thread."""


class BufferLink(ChainLink):
    """An object into which items are put, and out of which it gives some whenever it likes.

    A `get` that is no coroutine may block, and is called on a thread of its own.
    """

    def __init__(self, step: Step, mishaps: Mishaps, wake: Callable[[], None], pause: Pause) -> None:
        super().__init__(mishaps)
        self._step = step
        self._buffer = step.thing
        self._wake, self._pause = wake, pause
        self._out: deque[Any] = deque()
        self._errors: deque[BaseException] = deque()
        self._last: tuple[Fed, int] | None = None
        self._reader: Any = None  # a thread or a task
        self._has_room = Event()
        self._has_stopped = self._is_left = False
        self._is_open = False
        """Whether it may give more than the room has taken: something waits for it."""

    async def feed(self, rows: Sequence[Row]) -> list[Row]:
        """Put each item."""
        self._start()
        self._is_open = True
        self._has_room.set()
        for fed, row, item in rows:
            fed.begin(row)
            try:
                await tried(self._put, item, fed.calls.tries, fed.calls.retry_s)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
                if self._mishaps.lose(fed, row, item, error):
                    break
                continue
            fed.take(row)
            self._last = fed, row
        if rows:
            await self._pause(0)
        self._is_open = False
        return self._taken()

    async def end(self) -> list[Row]:
        """Tell the buffer, if it wants to know, and get what is left."""
        self._start()
        self._is_open = True
        self._has_room.set()
        end, empty = (getattr(self._buffer, name, None) for name in ("end", "empty"))
        if callable(end):
            try:
                found = end()
                if inspect.isawaitable(found):
                    await found
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
                self._errors.append(error)
                return self._taken()
            while not (self._has_stopped or self._errors):
                await self._pause(POLL_S)
        else:
            await self._wait_until_empty(empty)
        self._leave()
        return self._taken()

    def close(self) -> None:
        """Get nothing more."""
        self._leave()

    async def _put(self, item: Any) -> None:
        found = self._step.call(item)
        if inspect.isawaitable(found):
            await found

    async def _wait_until_empty(self, empty: Callable[[], object] | None) -> None:
        patience_s = SILENT_S if empty is None else SETTLED_S
        quiet, count = 0, -1
        while quiet * POLL_S < patience_s and not (self._has_stopped or self._errors):
            is_empty = empty is None or bool(empty())
            quiet = quiet + 1 if is_empty and len(self._out) == count else 0
            count = len(self._out)
            await self._pause(POLL_S)

    def _taken(self) -> list[Row]:
        fed, row = self._last or (self._mishaps.nothing, 0)
        while self._errors:
            self._mishaps.lose(fed, row, None, self._errors.popleft())
        out = [(fed, row, self._out.popleft()) for _ in range(len(self._out))]
        self._has_room.set()
        return out

    def _start(self) -> None:
        if self._reader is not None:
            return
        if is_async_call(self._buffer.get):
            import asyncio

            self._reader = asyncio.create_task(self._read_async())
        else:
            self._reader = Thread(
                target=copy_context().run, args=(self._read,), name=f"{self._step.name}.get", daemon=True
            )
            self._reader.start()

    def _leave(self) -> None:
        self._is_left = True
        self._has_room.set()
        if isinstance(self._reader, Thread):
            if self._has_stopped:
                self._reader.join()
        elif self._reader is not None:
            with suppress(RuntimeError):  # its loop has ended, and it with that
                self._reader.get_loop().call_soon_threadsafe(self._reader.cancel)

    @property
    def _is_full(self) -> bool:
        return len(self._out) >= MOST_WAITING and not self._is_open

    def _read(self) -> None:
        from penstock.elements import clock

        while not self._is_left:
            if self._is_full:
                self._has_room.clear()
                if self._is_full:
                    self._has_room.wait()
                continue
            try:
                item = self._buffer.get()
            except StopIteration:
                break
            except BaseException as error:  # noqa: BLE001 - user code may raise anything; it is told later
                self._fail(error)
                item = None
            if item is None:
                clock.sleep(POLL_S)
            elif not self._is_left:
                self._out.append(item)
                self._wake()
        self._stop()

    async def _read_async(self) -> None:
        import asyncio

        while True:
            if self._is_full:
                await asyncio.sleep(POLL_S)
                continue
            try:
                item = await self._buffer.get()
            except (StopAsyncIteration, StopIteration):
                break
            except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything; it is told later
                self._fail(error)
                item = None
            if item is None:
                await asyncio.sleep(POLL_S)
            else:
                self._out.append(item)
                self._wake()
        self._stop()

    def _fail(self, error: BaseException) -> None:
        self._errors.append(error)
        self._wake()

    def _stop(self) -> None:
        self._has_stopped = True
        self._wake()
