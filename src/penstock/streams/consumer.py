"""Reads the messages of one stream: for plain callers, and for coroutines by the same names."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from os import PathLike
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.streams.reading import Reading, Time
from penstock.streams.retrieving import retrieve
from penstock.streams.steps import run, run_async
from penstock.streams.store import Store, StoredBlock, StreamInfo

__all__ = ["AsyncConsumer", "Consumer"]


class Consumer:
    """Reads one stream, which may not exist yet; what it reads, others can read, too.

    It is used by one thread at a time, but ``close`` may come from any: whoever waits gets a ``StateError``.
    """

    def __init__(self, store: Store, address: StreamAddress) -> None:
        self._reading = Reading(store, address)

    @property
    def address(self) -> StreamAddress:
        """The stream's."""
        return self._reading.address

    @property
    def info(self) -> StreamInfo:
        """How the stream is, as of now; of one that is not there, all is 0."""
        return self._reading.info

    @property
    def skipped(self) -> int:
        """How many messages were removed before ``follow`` or ``next`` came to them, or are damaged, so far."""
        return self._reading.skipped.messages

    def follow(
        self, *, from_id: int = 1, from_time: Time | None = None, timeout_s: float | None = None
    ) -> Iterator[Message]:
        """Yield messages in their order of arrival, as soon as they are there, until the stream finishes.

        Parameters
        ----------
        from_id
            Leave out those with smaller ids.
        from_time
            Leave out those with earlier timestamps.
        timeout_s
            How long to wait for the next one; ``None`` for ever, 0 for what is there.

        Raises
        ------
        StreamAbortedError
            After the last message of a stream that was aborted.
        NoDataError
            If none came in time: ``UnknownStreamError`` if there is no such stream, ``StreamStalledError`` if nobody
            writes it.
        IntegrityError
            If some are damaged; ``after`` is how many had arrived with them. ``next`` goes on behind.
        """
        for stored in self.follow_blocks(from_id=from_id, from_time=from_time, timeout_s=timeout_s):
            yield from stored.messages()

    def follow_blocks(
        self, *, from_id: int = 1, from_time: Time | None = None, timeout_s: float | None = None
    ) -> Iterator[StoredBlock]:
        """Yield messages in blocks, as they were stored; as ``follow``."""
        cursor = self._reading.cursor(from_id, from_time)
        while (stored := run(cursor.block(timeout_s))) is not None:
            yield stored

    def next(self, timeout_s: float | None = None) -> Message:
        """Return the message that arrived after the one before; the first to begin with. Only this consumer moves on.

        Raises
        ------
        StreamEndedError
            At once, if the stream has ended and all were returned; ``StreamAbortedError`` if it was aborted.
        NoDataError
            As ``follow`` does.
        """
        return run(self._reading.next(timeout_s))

    def last(self, *, newer_than: int = 0, timeout_s: float | None = 0.0) -> Message:
        """Return the message with the largest id, also of a stream that has ended.

        Parameters
        ----------
        newer_than
            Wait for one with a larger id than this.

        Raises
        ------
        StreamEndedError
            If the stream has ended without one.
        NoDataError
            If there is none in time; as ``follow``.
        """
        return run(self._reading.last(newer_than, timeout_s))

    def get(self, id: int, *, timeout_s: float | None = 0.0) -> Message:  # noqa: A002  # what it is called everywhere
        """Return a message by its id, at once or when it comes.

        Raises
        ------
        MissingMessageError
            If it did not come in time, or cannot any more, though larger ids are there.
        StreamEndedError
            If the stream has ended with a smaller id.
        NoDataError
            If nothing so late came in time; as ``follow``.
        StreamError
            If no message can have this id.
        """
        return run(self._reading.get(id, timeout_s))

    def retrieve(self, message: Message, root: str | PathLike[str] | None = None) -> NDArray[Any]:
        """Return the bytes of a message, from its file if it has only that; as ``retrieve`` of ``retrieving``."""
        return retrieve(message, root)

    def range(self, first_id: int, last_id: int) -> Iterator[Message]:
        """Yield the messages of some ids, both included, that are there now, ids ascending."""
        return self._reading.range(first_id, last_id)

    def between(self, first: Time, last: Time) -> Iterator[Message]:
        """Yield the messages with timestamps of some time, both included, that are there now, as they arrived."""
        return self._reading.between(first, last)

    def query(self, text: str) -> Iterator[Message]:
        """Yield the messages that are there now and fit a query, as they arrived or in the order that it asks for.

        Every message is looked at; the language is that of ``docs/reference/query.md``.

        Raises
        ------
        QueryError
            If it is not written as it should be; ``at`` is where.
        """
        return self._reading.query(text)

    def missing(self, first_id: int = 1, last_id: int | None = None) -> NDArray[np.uint64]:
        """(n,), the ids that are not there now, up to one or to the largest."""
        return self._reading.missing(first_id, last_id)

    def wait_for_end(self, timeout_s: float | None = None) -> StreamInfo:
        """Wait until the stream has ended, in whatever way, and return how it is then.

        Raises
        ------
        NoDataError
            If it has not in time; as ``follow``.
        """
        return run(self._reading.wait_for_end(timeout_s))

    def close(self) -> None:
        """Let go; arrays that somebody holds stay valid."""
        self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncConsumer:
    """As ``Consumer``, for coroutines: the same names, to be awaited, or to be looped over by ``async for``.

    It gives way while it waits; reading what is there is not waiting.
    """

    def __init__(self, store: Store, address: StreamAddress) -> None:
        self._reading = Reading(store, address)

    @property
    def address(self) -> StreamAddress:
        """As ``Consumer.address``."""
        return self._reading.address

    @property
    def info(self) -> StreamInfo:
        """As ``Consumer.info``."""
        return self._reading.info

    @property
    def skipped(self) -> int:
        """As ``Consumer.skipped``."""
        return self._reading.skipped.messages

    async def follow(
        self, *, from_id: int = 1, from_time: Time | None = None, timeout_s: float | None = None
    ) -> AsyncIterator[Message]:
        """As ``Consumer.follow``."""
        async for stored in self.follow_blocks(from_id=from_id, from_time=from_time, timeout_s=timeout_s):
            for message in stored.messages():
                yield message

    async def follow_blocks(
        self, *, from_id: int = 1, from_time: Time | None = None, timeout_s: float | None = None
    ) -> AsyncIterator[StoredBlock]:
        """As ``Consumer.follow_blocks``."""
        cursor = self._reading.cursor(from_id, from_time)
        while (stored := await run_async(cursor.block(timeout_s))) is not None:
            yield stored

    async def next(self, timeout_s: float | None = None) -> Message:
        """As ``Consumer.next``."""
        return await run_async(self._reading.next(timeout_s))

    async def last(self, *, newer_than: int = 0, timeout_s: float | None = 0.0) -> Message:
        """As ``Consumer.last``."""
        return await run_async(self._reading.last(newer_than, timeout_s))

    async def get(self, id: int, *, timeout_s: float | None = 0.0) -> Message:  # noqa: A002
        """As ``Consumer.get``."""
        return await run_async(self._reading.get(id, timeout_s))

    async def retrieve(self, message: Message, root: str | PathLike[str] | None = None) -> NDArray[Any]:
        """As ``Consumer.retrieve``."""
        return await asyncio.to_thread(retrieve, message, root)

    async def range(self, first_id: int, last_id: int) -> AsyncIterator[Message]:
        """As ``Consumer.range``."""
        for message in self._reading.range(first_id, last_id):
            yield message

    async def between(self, first: Time, last: Time) -> AsyncIterator[Message]:
        """As ``Consumer.between``."""
        for message in self._reading.between(first, last):
            yield message

    async def query(self, text: str) -> AsyncIterator[Message]:
        """As ``Consumer.query``."""
        for message in self._reading.query(text):
            yield message

    async def missing(self, first_id: int = 1, last_id: int | None = None) -> NDArray[np.uint64]:
        """As ``Consumer.missing``."""
        return self._reading.missing(first_id, last_id)

    async def wait_for_end(self, timeout_s: float | None = None) -> StreamInfo:
        """As ``Consumer.wait_for_end``."""
        return await run_async(self._reading.wait_for_end(timeout_s))

    async def close(self) -> None:
        """As ``Consumer.close``."""
        self._reading.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
