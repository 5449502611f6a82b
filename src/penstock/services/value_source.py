"""A source of plain values as a source of messages: user code is read on a thread of its own, whatever its shape."""

import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from contextvars import copy_context
from itertools import groupby
from threading import Thread
from typing import Any

from penstock.core.block import Block
from penstock.core.id_set import IdSet
from penstock.core.message import Message
from penstock.elements.gives_messages import GivesMessages
from penstock.elements.item_source import PLAIN_TRAITS, ItemSource
from penstock.elements.losses import losses_of
from penstock.elements.own_folder import give_folder
from penstock.elements.plain_message import PLAIN, plain_message
from penstock.elements.sink import RunFacts
from penstock.elements.source import Reading, Source
from penstock.elements.wants_settled import WantsSettled
from penstock.errors import PenstockError, UserCodeError
from penstock.monitor.report import FilesReport
from penstock.services.value_shelf import ValueShelf

__all__ = ["ValueSource"]

MOST = 4096
"""Messages a reading."""
MOST_BYTES = 1 << 20
CLOSE_S = 2.0
"""How long user code may take to end; what blocks for longer is left behind, and ends with the process."""


class ValueSource(Source):
    """Read user code that gives plain values.

    An iterator may block, and an async one may wait: both are read ahead of the run by a few thousand items at most.
    They are closed by the thread that reads them. Code that blocks for ever cannot be closed.

    Parameters
    ----------
    items
        User code, made for this run.
    name
        Of the source, for the texts of errors.
    """

    def __init__(self, items: ItemSource, name: str) -> None:
        thing = items.thing
        self.traits = thing.traits if isinstance(thing, GivesMessages) else PLAIN_TRAITS  # type: ignore[misc]  # of each
        self.is_repeatable = bool(getattr(items.thing, "is_repeatable", False))  # type: ignore[misc]  # of each thing
        self.wants_settled = isinstance(items.thing, WantsSettled)
        self.pipeline = ""
        """Whose source it is; given by the engine before `open`, where it knows."""
        self._settled = IdSet()
        self._items = items
        self._name = name
        self._shelf: ValueShelf | None = None
        self._thread: Thread | None = None
        self._loop: Any = None  # asyncio's, which is imported only for those who need it
        self._task: Any = None
        self._is_closed = self._has_closed_thing = False

    def open(self) -> None:
        """Begin to read."""
        give_folder(self._items.thing, self.folder)
        if isinstance(self._items.thing, WantsSettled):
            self._items.thing.run = RunFacts(pipeline=self.pipeline, run="", folder=self.folder, sink=self._name)
        self._shelf = ValueShelf()
        # What time it is goes with the context.
        self._thread = Thread(target=copy_context().run, args=(self._read_all,), name=self._name, daemon=True)
        self._thread.start()

    @property
    def pollable(self) -> int | None:
        """Tells that something has come."""
        return None if self._shelf is None else self._shelf.fd

    def read(self, now_ns: int) -> Reading:
        """Return what has come.

        Raises
        ------
        UserCodeError
            If user code raised, behind all that it gave before.
        """
        assert self._shelf is not None, "it is open"
        messages, has_ended = self._shelf.take(MOST, MOST_BYTES)
        blocks: list[Block] = []
        for _, alike in groupby(messages, lambda message: PLAIN in message.metadata):  # what is a message stays one
            blocks += self.reading(alike, now_ns).blocks
        lost = [why for why, count in losses_of(self._items.thing) for _ in range(count)]
        return Reading(blocks=blocks, unparsable=lost, ended=has_ended)

    def settle(self, first_id: int, last_id: int) -> None:
        """Tell user code that wants to know up to where all its items have ended; each is a message."""
        self._settled.add_range(first_id, last_id)
        if isinstance(self._items.thing, WantsSettled):
            self._items.thing.settled(self._settled.first_absent(1) - 1)

    def files(self) -> FilesReport | None:
        """Return how far it is with files, if it opens any."""
        thing = self._items.thing
        return thing.files() if isinstance(thing, WantsSettled) else None

    def leave(self) -> None:
        """Tell user code that wants to know that the run is over."""
        if isinstance(self._items.thing, WantsSettled):
            self._items.thing.leave()

    def close(self) -> None:
        """Let user code end, and wait a little for that."""
        if self._is_closed:
            return
        self._is_closed = True
        if isinstance(self._items.thing, WantsSettled):
            self._items.thing.stop()
        if self._shelf is None or self._thread is None:  # nobody has begun to read it
            self._drop(self._close_thing())
            return
        self._shelf.close()
        self._cancel()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() and not inspect.isgenerator(self._items.items):
            self._drop(self._close_thing())  # which may be what it waits in
            self._thread.join(CLOSE_S)

    @staticmethod
    def _drop(closing: Any) -> None:  # what a foreign `close` returned
        """Do without what only a loop could do."""
        if inspect.iscoroutine(closing):
            closing.close()

    # From here on in the thread.

    def _read_all(self) -> None:
        assert self._shelf is not None
        try:
            source = self._items
            if source.buffer is not None:
                source = ItemSource.made(source.buffer.get, {}, self._name)
            if source.async_items is not None:
                self._run(source.async_items)
            elif source.items is not None:
                self._pull(source.items)
        except PenstockError as error:
            self._shelf.end(error)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything; it is raised where it is read
            self._shelf.end(self._failure(error))
        else:
            self._shelf.end()

    def _pull(self, items: Iterator[Any]) -> None:
        assert self._shelf is not None
        try:
            for item in items:
                if not self._shelf.put(self._messages(item)):
                    break
        finally:
            if inspect.isgenerator(items):
                items.close()
            self._drop(self._close_thing())

    def _run(self, items: AsyncIterator[Any]) -> None:
        import asyncio

        with suppress(asyncio.CancelledError):
            asyncio.run(self._pull_async(items))

    async def _pull_async(self, items: AsyncIterator[Any]) -> None:
        import asyncio

        shelf = self._shelf
        assert shelf is not None
        loop, has_room = asyncio.get_running_loop(), asyncio.Event()
        shelf.on_room = lambda: _call_soon(loop, has_room.set)
        self._task, self._loop = asyncio.current_task(), loop
        try:
            if self._is_closed:  # before it could be told
                return
            async for item in items:
                while shelf.is_full:  # not waited for in the shelf: other tasks of the user's go on
                    has_room.clear()
                    if shelf.is_full:
                        await has_room.wait()
                if not shelf.put(self._messages(item)):
                    return
        finally:
            shelf.on_room = None
            if hasattr(items, "aclose"):
                await items.aclose()
            closing = self._close_thing()
            if inspect.isawaitable(closing):
                await closing

    def _messages(self, item: Any) -> list[Message]:
        return list(map(plain_message, item)) if self._items.in_chunks else [plain_message(item)]

    def _cancel(self) -> None:
        if self._loop is not None:
            _call_soon(self._loop, self._task.cancel)

    def _close_thing(self) -> Any:  # what it returned, which may have to be awaited
        """Call the `close` of what user code has made, once; generators are closed already."""
        thing = self._items.thing
        close = getattr(thing, "close", None)
        is_generator = inspect.isgenerator(thing) or inspect.isasyncgen(thing)
        if close is None or inspect.isclass(thing) or is_generator or self._has_closed_thing:
            return None
        self._has_closed_thing = True
        return close()

    def _failure(self, error: BaseException) -> UserCodeError:
        failure = UserCodeError(f"source {self._name}: {type(error).__name__}: {error}", stage=self._name)
        failure.__cause__ = error
        return failure


def _call_soon(loop: Any, call: Any) -> None:
    """Have a loop call something, unless it has ended meanwhile."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
