"""What both consumers of a stream do: find messages, wait for them, and say why there are none."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.message import Message
from penstock.core.query import MESSAGE_FIELDS, Query, message_record
from penstock.core.stream_address import StreamAddress
from penstock.core.timestamp import Timestamp
from penstock.errors import (
    IntegrityError,
    MissingMessageError,
    NoDataError,
    StreamAbortedError,
    StreamEndedError,
    StreamError,
    StreamStalledError,
    UnknownStreamError,
)
from penstock.streams.dataset import check_stream_name, table_address
from penstock.streams.more import Deadline, More
from penstock.streams.sendable import LARGEST
from penstock.streams.steps import Steps
from penstock.streams.store import Store, StoredBlock, StreamInfo, StreamReader, StreamState

__all__ = [
    "Cursor",
    "Reading",
    "Skipped",
    "Time",
    "arrived",
    "check_id",
    "ended",
    "is_unknown",
    "nanoseconds",
    "nothing_yet",
]

Time = int | Timestamp
"""Nanoseconds UTC."""
EARLIEST_NS, LATEST_NS = -(2**63), 2**63 - 1
ENDED = (StreamState.FINISHED, StreamState.ABORTED)


class Skipped:
    """How many messages a reader could not be given: removed before it came to them, or damaged."""

    __slots__ = ("messages",)

    def __init__(self) -> None:
        self.messages = 0


class Cursor:
    """A place in a stream, in the order of arrival.

    Parameters
    ----------
    skipped
        Counts what was removed before it could be returned.
    from_id
        Messages with smaller ids are left out.
    from_ns
        Messages with earlier timestamps are left out.
    """

    def __init__(self, reader: StreamReader, skipped: Skipped, *, from_id: int = 1, from_ns: int = EARLIEST_NS) -> None:
        self.reader = reader
        self.position = 0
        self._began = 0
        """Where ``_blocks`` began."""
        self._was_told = False
        """Whether there was something to wait for before that, and it came."""
        self._until = 0
        self._skipped = skipped
        self._from_id = np.uint64(from_id)
        self._from_ns = from_ns
        self._blocks: Iterator[StoredBlock] = iter(())
        self._messages: Iterator[Message] = iter(())

    def block(self, timeout_s: float | None) -> Steps[StoredBlock | None]:
        """Return the next messages; ``None`` when the stream has finished, and all were returned.

        Raises
        ------
        StreamAbortedError
            If it was aborted, and all were returned.
        NoDataError
            If none come in time; one kind says that there is no such stream, another that nobody writes it.
        IntegrityError
            If some are damaged; the next call returns those behind.
        """
        deadline = Deadline(timeout_s)
        while True:
            wanted = self._taken()
            if wanted is not None:
                return wanted
            # How a stream is costs as much as a message: who follows asks only where nothing was found, though told.
            is_following = self._was_told and self.position > self._began
            info = None if is_following else self.reader.info
            if info is not None and arrived(info) > self.position:
                self._look(arrived(info), was_told=False)
                continue
            if info is not None and info.state is StreamState.FINISHED:
                return None
            if info is not None and info.state is StreamState.ABORTED:
                raise ended(info)
            if not (yield More([(self.reader, self.position)], deadline.left_s)):
                raise nothing_yet(self.reader.info)
            self._look(self.position, was_told=True)

    def _look(self, until: int, *, was_told: bool) -> None:
        """Look for messages behind the position; those before ``until`` that are not found were removed."""
        self._blocks = self.reader.blocks(self.position)
        self._began, self._until, self._was_told = self.position, until, was_told

    def message(self, timeout_s: float | None) -> Steps[Message]:
        """Return the next message; as ``block``, but the end is an error, too."""
        found = next(self._messages, None)
        if found is not None:
            return found
        stored = yield from self.block(timeout_s)
        if stored is None:
            raise ended(self.reader.info)
        self._messages = stored.messages()
        return next(self._messages)

    def _taken(self) -> StoredBlock | None:
        """Return the next wanted messages of those that were there when ``_blocks`` was made."""
        try:
            for stored in self._blocks:
                self._pass_over(stored.position)
                self.position = stored.position + len(stored.block)
                wanted = self._wanted(stored)
                if wanted is not None:
                    return wanted
        except IntegrityError as error:
            self._blocks = iter(())
            self._pass_over(error.after or self._until)
            self._until = self.position
            raise
        self._pass_over(self._until)  # what was there has been removed meanwhile
        return None

    def _pass_over(self, position: int) -> None:
        """Go to where reading can go on; of what lies before it, nothing could be returned."""
        if position > self.position:
            self._skipped.messages += position - self.position
            self.position = position

    def _wanted(self, stored: StoredBlock) -> StoredBlock | None:
        if self._from_id <= 1 and self._from_ns == EARLIEST_NS:
            return stored
        chosen = (stored.block.ids >= self._from_id) & (stored.block.timestamps >= self._from_ns)
        if chosen.all():
            return stored
        rows = np.flatnonzero(chosen)
        if not len(rows):
            return None
        first, last = int(rows[0]), int(rows[-1])
        return stored.take(slice(first, last + 1) if last - first + 1 == len(rows) else rows)


class Reading:
    """One stream, read; used by one thread at a time, but ``close`` may come from any, and ends what waits."""

    def __init__(self, store: Store, address: StreamAddress) -> None:
        check_stream_name(address)
        self.address = address
        self._store = store
        self.reader = store.read(address)
        self.skipped = Skipped()
        self._own = Cursor(self.reader, self.skipped)

    @property
    def info(self) -> StreamInfo:
        """How the stream is, as of now."""
        return self.reader.info

    def cursor(self, from_id: int, from_time: Time | None) -> Cursor:
        """Return a place of its own in the stream."""
        from_ns = EARLIEST_NS if from_time is None else nanoseconds(from_time)
        return Cursor(self.reader, self.skipped, from_id=check_id(from_id), from_ns=from_ns)

    def next(self, timeout_s: float | None) -> Steps[Message]:
        """Return the message that arrived after the one before."""
        try:
            return (yield from self._own.message(timeout_s))
        except UnknownStreamError as error:
            raise self._told(error) from None

    def get(self, message_id: int, timeout_s: float | None) -> Steps[Message]:
        """Return one message by its id."""
        message_id = check_id(message_id)
        deadline = Deadline(timeout_s)
        message = self.reader.message(message_id)
        if message is not None:  # as mostly; to ask how the stream is would cost more
            return message
        while True:
            info = self.reader.info  # before the message is looked for, so that none is overlooked that comes between
            message = self.reader.message(message_id)
            if message is not None:
                return message
            if info.state in ENDED or not (yield More([(self.reader, arrived(info))], deadline.left_s)):
                message = self.reader.message(message_id)
                if message is not None:
                    return message
                raise self._absent(message_id, self.reader.info)

    def last(self, newer_than: int, timeout_s: float | None) -> Steps[Message]:
        """Return the message with the largest id, however the stream stands."""
        deadline = Deadline(timeout_s)
        while True:
            info = self.reader.info
            if info.last_id > newer_than:
                message = self.reader.message(info.last_id)
                if message is not None:
                    return message
            if info.state in ENDED:
                raise ended(info)
            if not (yield More([(self.reader, arrived(info))], deadline.left_s)):
                raise self._told(nothing_yet(self.reader.info))

    def range(self, first_id: int, last_id: int) -> Iterator[Message]:
        """Yield messages of some ids that are there, ids ascending."""
        for stored in self.reader.get(check_id(first_id), check_id(last_id)):
            yield from stored.messages()

    def between(self, first: Time, last: Time) -> Iterator[Message]:
        """Yield messages of some time that are there, in the order of arrival."""
        for stored in self.reader.between(nanoseconds(first), nanoseconds(last)):
            yield from stored.messages()

    def query(self, text: str) -> Iterator[Message]:
        """Yield the messages that fit a query."""
        query = Query.parse(text, MESSAGE_FIELDS)
        records = (_Asked(message) for stored in self.reader.blocks() for message in stored.messages())
        return (record.message for record in query.select(records))

    def missing(self, first_id: int, last_id: int | None) -> NDArray[np.uint64]:
        """(n,), the ids that are not there, ascending."""
        at, end = check_id(first_id), self.reader.info.last_id if last_id is None else check_id(last_id)
        found: list[NDArray[np.uint64]] = []
        while at <= end:
            ids = self.reader.ids(at)
            upto = min(int(ids[-1]), end) if len(ids) else end
            there = ids[ids <= upto]
            found.append(np.setdiff1d(np.arange(upto - at + 1, dtype=np.uint64) + np.uint64(at), there, True))
            at = upto + 1
        return np.concatenate(found) if found else np.empty(0, np.uint64)

    def wait_for_end(self, timeout_s: float | None) -> Steps[StreamInfo]:
        """Return how the stream is when it has ended."""
        deadline = Deadline(timeout_s)
        while True:
            info = self.reader.info
            if info.state in ENDED:
                return info
            if not (yield More([(self.reader, arrived(info))], deadline.left_s)):
                raise self._told(nothing_yet(self.reader.info))

    def close(self) -> None:
        """Let go."""
        self.reader.close()

    def _absent(self, message_id: int, info: StreamInfo) -> StreamError:
        if message_id > info.last_id:
            return ended(info) if info.state in ENDED else self._told(nothing_yet(info))
        removed = f", or it is one of the {info.removed} that were removed" if info.removed else ""
        return MissingMessageError(
            f"{self.address} has no message {message_id}, though there is {info.last_id}: it never came{removed}"
        )

    def _told(self, error: NoDataError) -> NoDataError:
        """Return an error that also says if somebody reads datasets as messages."""
        if isinstance(error, UnknownStreamError) and self._store.metadata(table_address(self.address)) is not None:
            return UnknownStreamError(f"{self.address} has datasets, no single messages; read it with datasets()")
        return error


class _Asked(dict[str, Any]):
    """What a query can ask of a message, and the message."""

    def __init__(self, message: Message) -> None:
        super().__init__(message_record(message))
        self.message = message


def arrived(info: StreamInfo) -> int:
    """Return how many messages a stream has had."""
    return info.count + info.removed


def is_unknown(info: StreamInfo) -> bool:
    """Tell whether there is no such stream."""
    return not info.created_ns and not arrived(info) and info.state is StreamState.OPEN


def ended(info: StreamInfo) -> StreamEndedError:
    """Return the error that says how a stream has ended."""
    if info.state is StreamState.ABORTED:
        return StreamAbortedError(f"{info.address} was aborted after message {info.last_id}: {info.reason}")
    following = f"; {info.next_stream!r} follows" if info.next_stream else ""
    return StreamEndedError(
        f"{info.address} finished with message {info.last_id}{following}", next_stream=info.next_stream
    )


def nothing_yet(info: StreamInfo) -> NoDataError:
    """Return the error that says why nothing came in time to a stream that has not ended."""
    if is_unknown(info):
        return UnknownStreamError(f"there is no stream {info.address} yet")
    if info.state is StreamState.STALLED:
        return StreamStalledError(f"{info.address} has nothing after message {info.last_id}, and nobody writes it")
    return NoDataError(f"{info.address} has nothing yet after message {info.last_id}")


def check_id(message_id: int) -> int:
    """Make sure that a message can have an id.

    Raises
    ------
    StreamError
        If it cannot.
    """
    if not 1 <= message_id <= LARGEST:
        raise StreamError(f"{message_id} is no id of a message; they go from 1 to 2**64 - 1")
    return message_id


def nanoseconds(time: Time) -> int:
    """Return a time as nanoseconds UTC, within what timestamps hold."""
    return min(max(time.ns if isinstance(time, Timestamp) else time, EARLIEST_NS), LATEST_NS)
