"""Where a strand's items come from: a source of plain values, an edge, or the other end of a buffer."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from penstock.core import Account
from penstock.core.ledger import Entry
from penstock.elements.item_source import ItemSource
from penstock.elements.losses import losses_of
from penstock.elements.shape import is_async_call
from penstock.elements.wants_settled import WantsSettled
from penstock.services.strands.edge import Edge
from penstock.services.strands.gate import Gate
from penstock.services.strands.host import Host
from penstock.services.strands.laned_edge import LanedEdge
from penstock.services.strands.on_loop import call_on

__all__ = ["BufferFeed", "EdgeFeed", "Feed", "SourceFeed"]

SETTLED_S = 0.05
"""How long a buffer that can say that it is empty must be so, after the last item was put, until it has ended."""
SILENT_S = 1.0
"""How long a buffer that cannot say that it is empty must have given nothing, after the last item was put."""


@dataclass(eq=False)
class SourceFeed:
    """A source of plain values.

    Parameters
    ----------
    name
        Of the source.
    source
        Made for this run.
    entry
        What the source has read.
    """

    name: str
    source: ItemSource
    entry: Entry
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when nothing more is to be read."""
    waiting: "asyncio.Task[Any] | None" = None
    """The task that waits for the source at the moment."""
    gate: Gate | None = None
    """Where items wait on an event loop, once there is one."""

    @property
    def is_async(self) -> bool:
        """Whether it needs an event loop."""
        return self.source.async_items is not None or is_async_call(getattr(self.source.buffer, "get", len))

    def stop(self) -> None:
        """Say that nothing more is to be read."""
        self.stopping.set()
        if isinstance(self.source.thing, WantsSettled):
            self.source.thing.stop()

    def items(self, _event: threading.Event) -> Iterator[Any]:
        """Return the items, one by one."""
        if self.source.buffer is not None:
            return _got(self.source.buffer)
        assert self.source.items is not None, "it is not async"
        return _flat(self.source.items, self) if self.source.in_chunks else self.source.items

    @property
    def gives_chunks(self) -> bool:
        """Whether it is ``chunks_awaiting`` that is to be asked, because many items come at once."""
        return self.source.in_chunks and self.source.async_items is not None

    async def chunks_awaiting(self) -> AsyncIterator[Any]:
        """Yield what the source gives; whoever has set ``stopping`` may cancel it while it waits."""
        source = self.source
        chunks = _got_awaiting(source.buffer) if source.async_items is None else source.async_items
        while not self.stopping.is_set():
            self.waiting = task = asyncio.current_task()
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                if not self.stopping.is_set():
                    raise
                if task is not None:
                    task.uncancel()
                return
            finally:
                self.waiting = None
            yield chunk

    async def items_awaiting(self) -> AsyncIterator[Any]:
        """Yield the items one by one; as ``chunks_awaiting``."""
        in_chunks = self.source.in_chunks
        async for chunk in self.chunks_awaiting():
            for each in chunk if in_chunks else (chunk,):
                if self.gate is not None and self.gate.is_shut:
                    await self.gate.pass_awaiting()
                yield each

    def count(self, count: int) -> None:
        """Note that so many items were read."""
        self.entry.arrive(count)
        self.entry.post(Account.DONE, count)
        self._count_unparsable()

    def _count_unparsable(self) -> None:
        """Account for what the source could not read, if it says so."""
        for why, count in losses_of(self.source.thing):
            self.entry.arrive(count)
            self.entry.post(Account.UNPARSABLE, count, why)

    def close(self) -> None:
        """Let the source close what it has opened; what is iterated on a loop is closed there."""
        close = getattr(self.source.items, "close", None) or getattr(self.source.thing, "close", None)
        if callable(close) and not is_async_call(close):
            close()

    async def close_awaiting(self) -> None:
        """Do as ``close`` on an event loop."""
        closing = getattr(self.source.async_items, "aclose", None)
        if closing is not None:
            await closing()
        else:
            self.close()


@dataclass(eq=False)
class EdgeFeed:
    """The consumer's end of an edge."""

    edge: Edge | LanedEdge
    is_async: bool = False
    gate: Gate | None = None
    """Shut while nothing is to be taken from the edge, once there is one."""
    _taken: Iterator[Any] = field(default_factory=lambda: iter(()))

    @property
    def name(self) -> str:
        """Of the edge."""
        return self.edge.name

    def items(self, event: threading.Event) -> Iterator[Any]:
        """Yield the items one by one, waiting in this thread."""
        while True:
            found = self.edge.take_waiting(event)
            if not found and self.edge.has_ended and not self.edge.items:
                return
            self._taken = iter(found)
            if self.gate is not None and self.gate.is_shut:
                self.put_back()
                self.gate.wait(is_first=False)
            yield from self._taken

    def put_back(self) -> None:
        """Let what was taken and not given lie on the edge again; in the strand's own thread."""
        if left := list(self._taken):
            self.edge.put_back(left)

    async def items_awaiting(self) -> AsyncIterator[Any]:
        """Do as ``items`` on an event loop."""
        while True:
            found = await self.edge.take_awaiting()
            if not found and self.edge.has_ended and not self.edge.items:
                return
            self._taken = iter(found)
            if self.gate is not None and self.gate.is_shut:
                self.put_back()
                await self.gate.wait_awaiting()
            for item in self._taken:
                yield item

    def close(self) -> None:
        """Let go of nothing."""

    async def close_awaiting(self) -> None:
        """Let go of nothing."""


@dataclass(eq=False)
class BufferFeed:
    """The end of a buffer where items come out."""

    name: str
    buffer: Any
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when nothing more will be put."""
    on_end: list[Callable[[], None]] = field(default_factory=list)
    """Called then."""
    is_halted: bool = False
    """Whether nothing more is to be got."""
    event: threading.Event = field(default_factory=threading.Event)
    """Wakes the thread that gets."""
    room: threading.Event | None = None
    """Wakes who waits until there is room; ``None``: ``put`` waits itself."""
    on_close: Callable[[], object] | None = None
    """The buffer's own hook."""
    gate: Gate | None = None
    """Where items wait on an event loop, once there is one."""
    _is_hungry: bool = False

    @property
    def is_async(self) -> bool:
        """Whether it needs an event loop."""
        return is_async_call(self.buffer.get)

    def live_on(self, event: threading.Event, host: Host) -> None:
        """Be woken by what a host has."""
        self.event = event
        # Nobody else could work while somebody waits in a lock of the buffer's own.
        self.room = host.event() if host.is_virtual and hasattr(self.buffer, "full") else None

    def put(self, item: Any) -> None:
        """Put an item, in any thread."""
        while self.room is not None and self.buffer.full() and not self.is_halted:
            self.room.clear()
            self.room.wait()
        self.buffer.put(item)
        self.wake()

    def wake(self) -> None:
        """Wake the thread that gets, if it waits."""
        if self._is_hungry:
            self._is_hungry = False
            self.event.set()

    def end(self) -> None:
        """Say that nothing more will be put."""
        end = getattr(self.buffer, "end", None)
        if end is not None:
            end()
        self._tell()

    async def end_awaiting(self) -> None:
        """Do as ``end`` on an event loop."""
        end = getattr(self.buffer, "end", None)
        if end is not None and is_async_call(end):
            await end()
        elif end is not None:
            end()
        self._tell()

    def _tell(self) -> None:
        self.ended.set()
        self.event.set()
        for call in self.on_end:
            call()

    def items(self, _event: threading.Event) -> Iterator[Any]:
        """Yield what is got, in this thread."""
        can_be_asked = hasattr(self.buffer, "empty") and not hasattr(self.buffer, "end")
        while not self._is_drained():
            if can_be_asked and not self._wait_for_item():
                return
            try:
                item = self.buffer.get()
            except StopIteration:
                return
            if self.room is not None:
                self.room.set()
            yield item

    def _wait_for_item(self) -> bool:
        """Return whether there is one; who waited in ``get`` would not hear of the end."""
        while self.buffer.empty():
            self.event.clear()
            self._is_hungry = True
            # Whoever puts after this line sees that somebody is hungry.
            if self.ended.is_set() or self.is_halted:
                return not self.buffer.empty()
            if self.buffer.empty():
                self.event.wait()
        return True

    async def items_awaiting(self) -> AsyncIterator[Any]:
        """Yield what is got, until the buffer says that nothing is left, or has nothing after the end."""
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def end() -> None:
            if not over.done():
                over.set_result(None)

        self.on_end.append(partial(call_on, loop, end))
        if self.ended.is_set():
            end()
        has_end = hasattr(self.buffer, "end")
        getting: asyncio.Future[Any] | None = None
        try:
            while True:
                getting = asyncio.ensure_future(self.buffer.get())
                if not has_end:
                    await asyncio.wait((getting, over), return_when=asyncio.FIRST_COMPLETED)
                    while not getting.done() and not self._is_drained():
                        patience_s = SETTLED_S if hasattr(self.buffer, "empty") else SILENT_S
                        await asyncio.wait((getting,), timeout=patience_s)
                        if not getting.done() and not hasattr(self.buffer, "empty"):
                            return
                    if not getting.done():
                        return
                try:
                    item = await getting
                except StopAsyncIteration:
                    return
                if self.gate is not None and self.gate.is_shut:
                    await self.gate.pass_awaiting()
                yield item
        finally:
            if getting is not None and not getting.done():
                getting.cancel()

    def _is_drained(self) -> bool:
        empty = getattr(self.buffer, "empty", None)
        return self.ended.is_set() and empty is not None and not hasattr(self.buffer, "end") and bool(empty())

    def close(self) -> None:
        """Let the buffer close what it has opened."""
        if self.on_close is not None:
            self.on_close()

    async def close_awaiting(self) -> None:
        """Do as ``close`` on an event loop."""
        self.close()


Feed = SourceFeed | EdgeFeed | BufferFeed


def _flat(chunks: Iterator[Any], feed: SourceFeed) -> Iterator[Any]:
    for chunk in chunks:
        yield from chunk
        if feed.stopping.is_set():
            return


def _got(buffer: Any) -> Iterator[Any]:
    while True:
        try:
            yield buffer.get()
        except StopIteration:
            return


async def _got_awaiting(buffer: Any) -> AsyncIterator[Any]:
    while True:
        try:
            yield await buffer.get()
        except StopAsyncIteration:
            return
