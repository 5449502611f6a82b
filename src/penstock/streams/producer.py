"""Sends messages into the streams of one source: for plain callers, and for coroutines by the same names."""

import weakref
from collections.abc import Mapping
from contextlib import suppress
from operator import index
from threading import Lock
from time import monotonic, time_ns
from types import TracebackType
from typing import Any, Literal, Self

from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, StateError, StreamError
from penstock.streams.dataset import check_part, check_stream_name, part_address, table_address
from penstock.streams.file_exposer import FileExposer
from penstock.streams.lane import Lane
from penstock.streams.receipts import Receipt
from penstock.streams.sendable import LARGEST, Encodings, kept_buffers, kept_encodings, kept_metadata, size_of
from penstock.streams.sending import SendCounts, Sending, SentLevel
from penstock.streams.steps import Call, Steps, run, run_async
from penstock.streams.store import MetadataMode, Store, Sync

__all__ = ["MOST_OPEN", "MOST_OPEN_BYTES", "AsyncProducer", "Producer"]

Part = tuple[int, int]
"""Which of how many, such as ``(2, 16)``."""
Of = Literal["stream", "source", "beamtime"]
MOST_OPEN = 65536
"""Messages without an outcome: 16 batches of the most messages."""
MOST_OPEN_BYTES = 256 << 20
"""Bytes of payload without an outcome: 32 frames of 8 MB."""
FAR_NS = 2**63
TELLING_S = 1.0
"""How long another producer may take to end an empty stream before one looks whether it was killed over it."""


class ProducerCore:
    """What both producers do; may be used from several threads."""

    def __init__(
        self,
        store: Store,
        address: StreamAddress,
        *,
        sync: Sync,
        level: SentLevel,
        most_open: int,
        most_open_bytes: int,
        exposer: FileExposer | None,
    ) -> None:
        if not address.source:
            raise StreamError(f"{address} names no source; write beamtime/source, or beamtime/source/stream")
        if most_open < 1 or most_open_bytes < 1:
            raise StreamError("at least one message, and one byte, must be allowed to be on its way")
        self.address = address
        self._store = store
        self._sync: Sync = sync
        self._prepare = None if exposer is None else exposer.expose
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._counts: dict[str, int] = {}  # parts of the datasets of each stream
        self._opening = Lock()
        self._is_closed = False
        self.sending = Sending(store, level=level, most_open=most_open, most_open_bytes=most_open_bytes)

    def try_send(
        self,
        data: Any,
        stream: str,
        id: int | None,  # noqa: A002  # as callers write it
        key: int | None,
        timestamp_ns: int | None,
        metadata: Mapping[str, Any] | None,
        encoding: Encodings,
        part: Part | None,
        copy: bool,
    ) -> Receipt | int | None:
        """Take a message; ``None`` if its stream is not open yet, and its size in bytes if there is no room for it."""
        if part is not None:
            check_part(part, id)
            if self._counts.get(stream or self.address.stream, part[1]) != part[1]:
                raise self._other_count(self.at(stream), part[1], self._counts[stream or self.address.stream])
        lane = self._lanes.get((stream, 0 if part is None else part[0]))
        if lane is None:
            return None
        if id is not None:
            id = _number(id, "an id", 1)  # noqa: A001
        if key is not None:
            key = _number(key, "a key", 0)
        is_timed = timestamp_ns is not None
        if timestamp_ns is None:
            timestamp_ns = time_ns()
        elif not -FAR_NS <= (timestamp_ns := index(timestamp_ns)) < FAR_NS:
            raise StreamError(f"a timestamp of {timestamp_ns} ns lies beyond what 64 bits hold")
        kept = data if type(data) is bytes else kept_buffers(data, copy=copy)
        size = len(kept) if type(kept) is bytes else size_of(kept)
        receipt = self.sending.put(
            lane,
            kept,
            size,
            id=id,
            key=key,
            timestamp_ns=timestamp_ns,
            is_timed=is_timed,
            metadata=None if metadata is None else kept_metadata(metadata),
            encodings=() if encoding is None else kept_encodings(encoding, kept),
        )
        return size if receipt is None else receipt

    def send(self, timeout_s: float | None, stream: str, part: Part | None, data: Any, *rest: Any) -> Steps[Receipt]:
        """Open the stream if need be, wait for room, and take a message."""
        end = None if timeout_s is None else monotonic() + timeout_s
        while True:
            sent = self.try_send(data, stream, *rest)
            if sent is None:
                yield Call(lambda: self._open(stream, part))
            elif isinstance(sent, Receipt):
                return sent
            else:
                yield from self.sending.room(sent, None if end is None else max(end - monotonic(), 0))

    def open(self, stream: str) -> Steps[None]:
        """Open a stream before anything is sent to it."""
        yield Call(lambda: self._open(stream, None))

    def end(self, stream: str, next_stream: str, reason: str | None) -> Steps[None]:
        """Wait for what was sent to a stream, and end it with all its parts that this producer writes."""
        if (stream, 0) not in self._lanes and not self._parts(stream):
            yield Call(lambda: self._open(stream, None))  # a stream without any message can be ended, too
        lanes = [lane for (name, _), lane in list(self._lanes.items()) if name == stream]
        before = [(lane, lane.ended) for lane in lanes]
        for lane in lanes:
            self.sending.forbid(lane, "finished" if reason is None else "aborted")
        try:
            yield from self.sending.flush()
            for lane in lanes:
                yield Call(lambda lane=lane: _end(lane, next_stream, reason))  # type: ignore[misc]
        except BaseException:
            for lane, ended in before:
                self.sending.forbid(lane, ended)
            raise

    def start_next(self, next_stream: str) -> Steps[None]:
        """End the producer's own stream, and let another follow it."""
        if not self.address.stream:
            raise StreamError(f"{self.address} names no stream; finish the one that is meant, and send to the next")
        following = StreamAddress(self.address.beamtime, self.address.source, next_stream)
        check_stream_name(following)
        yield from self.end("", next_stream, None)
        with self._opening:
            self._lanes = {key: lane for key, lane in self._lanes.items() if key[0]}
            self.address = following

    def set_metadata(
        self, value: Mapping[str, Any], mode: MetadataMode, *, upsert: bool, of: Of, stream: str
    ) -> Steps[None]:
        """Say something of what is sent."""
        if of == "stream":
            address = self.at(stream)
        else:
            address = StreamAddress(self.address.beamtime, self.address.source if of == "source" else "")
        yield Call(lambda: self._store.set_metadata(address, value, mode, upsert=upsert))

    def close(self) -> Steps[None]:
        """Store what was sent, and let go of all streams, whatever fails; then raise what was not stored untold."""
        if self._is_closed:
            return
        self._is_closed = True
        yield Call(self.let_go)
        yield from self.sending.flush()

    def let_go(self) -> None:
        """Store what was sent, and let go of all streams."""
        self.sending.stop()
        with self._opening:
            lanes, self._lanes = list(self._lanes.values()), {}
            self._is_closed = True
        for lane in lanes:
            lane.close()

    def at(self, stream: str) -> StreamAddress:
        """Return the address of a stream of this source; of the producer's own for an empty name."""
        address = StreamAddress(self.address.beamtime, self.address.source, stream or self.address.stream)
        check_stream_name(address)
        return address

    def _parts(self, stream: str) -> list[Lane]:
        return [lane for (name, part), lane in self._lanes.items() if name == stream and part]

    def _open(self, stream: str, part: Part | None) -> None:
        with self._opening:
            if self._is_closed:
                raise StateError("the producer is closed")
            key = stream, part[0] if part else 0
            if key in self._lanes:
                return
            address = self.at(stream)
            if part is not None:
                self._announce(address, part[1])
                address = part_address(address, part[0])
            elif self._store.metadata(table_address(address)) is not None:
                raise StreamError(f"{address} has datasets; send parts of them, or to another stream")
            self._lanes[key] = Lane(self._store, address, self._store.write(address, sync=self._sync), self._prepare)

    def _announce(self, address: StreamAddress, count: int) -> None:
        """Say of how many parts the datasets of a stream are, or find that somebody has said the same."""
        if self._store.info(address).created_ns:
            raise StreamError(f"{address} has single messages; send datasets to another stream")
        table = table_address(address)
        if self._store.metadata(table) is None:
            with suppress(ConflictError):  # another part was quicker
                self._store.set_metadata(table, {"parts": count}, "insert")
        said = (self._store.metadata(table) or {}).get("parts")
        if said != count:
            raise self._other_count(address, count, said)
        self._tell(table)
        self._counts[address.stream] = count

    def _tell(self, table: StreamAddress) -> None:
        """End the empty stream that is called so, which wakes who waits for the first part of all."""
        with self._store.read(table) as reader:
            while not reader.wait(0, 0):
                try:
                    with self._store.write(table, sync="none") as writer:
                        writer.finish()
                except ConflictError:  # another part does it now, or is killed over it
                    reader.wait(0, TELLING_S)
                except StateError:  # it has done it
                    return

    def _other_count(self, address: StreamAddress, count: int, said: Any) -> ConflictError:
        return ConflictError(f"the datasets of {address} have {said} parts; a part of {count} cannot be sent there")


class Producer:
    """Sends messages into the streams of a source; may be used from several threads.

    As a context manager it is closed at the end, which waits for everything, and raises if something was not stored
    whose outcome nobody has looked at.

    Parameters
    ----------
    store
        Where to; it stays open.
    address
        Of a source, or of a stream, which then is the one that is meant where none is named.
    sync
        As ``Store.write`` takes it.
    level
        When a message counts as stored: ``written`` when readers see it and no killed process can lose it, ``synced``
        when it would survive a loss of power, too.
    most_open, most_open_bytes
        How many messages may be without an outcome; then ``send`` waits. A single message always may.
    exposer
        Writes a message whose metadata have an ``exposed_path`` as a file there, too, before it is stored.

    Raises
    ------
    StreamError
        If the address is that of a beamtime, or the store cannot do what the level asks.
    """

    def __init__(
        self,
        store: Store,
        address: StreamAddress,
        *,
        sync: Sync = "interval",
        level: SentLevel = "written",
        most_open: int = MOST_OPEN,
        most_open_bytes: int = MOST_OPEN_BYTES,
        exposer: FileExposer | None = None,
    ) -> None:
        self._core = ProducerCore(
            store,
            address,
            sync=sync,
            level=level,
            most_open=most_open,
            most_open_bytes=most_open_bytes,
            exposer=exposer,
        )
        # One that is forgotten stores what was sent, at the latest when the program ends.
        self._finalizer = weakref.finalize(self, self._core.let_go)

    @property
    def address(self) -> StreamAddress:
        """Of its source, or of the stream that is meant where none is named."""
        return self._core.address

    @property
    def counts(self) -> SendCounts:
        """What became of the messages so far."""
        return self._core.sending.counts

    def send(
        self,
        data: Any = None,
        *,
        stream: str = "",
        id: int | None = None,  # noqa: A002  # what it is called everywhere
        key: int | None = None,
        timestamp_ns: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        encoding: Encodings = None,
        part: Part | None = None,
        copy: bool = True,
        timeout_s: float | None = None,
    ) -> Receipt:
        """Send a message, and return at once; the receipt tells what becomes of it.

        The first message to a stream opens it, which may take some milliseconds.

        Parameters
        ----------
        data
            One buffer: bytes of any length, or an array of any dtype and shape; or a list of several; ``None`` for a
            message without buffers.
        stream
            Of this source; by default the one in the producer's address.
        id
            From 1; each is in a stream once, in any order. By default the one after the largest so far.
        key
            The instrument's own number.
        timestamp_ns
            UTC; by default now.
        metadata
            What a message's metadata can hold.
        encoding
            What the bytes are, if they are compressed: a name or an ``Encoding``, or one for each buffer. They are
            stored as they come.
        part
            Which part of how many of the dataset ``id`` this is, from 1; each part may come from another process.
        copy
            Whether arrays that could be changed are copied; if not, they must not be changed before the receipt is
            done.
        timeout_s
            How long to wait if too many messages are on their way; 0 for not at all.

        Raises
        ------
        BusyError
            If there is no room in time; the message was not sent.
        ConflictError
            If somebody else writes the stream, or its datasets have another number of parts.
        StateError
            If the stream has ended, or this was closed.
        StreamError
            If something given is not as it must be.
        """
        sent = self._core.try_send(data, stream, id, key, timestamp_ns, metadata, encoding, part, copy)
        if type(sent) is Receipt:
            return sent
        return run(
            self._core.send(timeout_s, stream, part, data, id, key, timestamp_ns, metadata, encoding, part, copy)
        )

    def open(self, stream: str = "") -> None:
        """Open a stream now; otherwise the first message to it does.

        Raises
        ------
        ConflictError
            If somebody else writes it.
        StateError
            If it has ended, or this was closed.
        """
        run(self._core.open(stream))

    def flush(self) -> None:
        """Store what was gathered, and wait until every receipt is done.

        Raises
        ------
        StreamError
            Of the kind that kept the first message from being stored whose outcome nobody has looked at.
        """
        run(self._core.sending.flush())

    def finish(self, *, stream: str = "", next_stream: str = "") -> None:
        """Say that this was all of a stream, after what was sent is stored; of datasets, of the parts sent by this.

        Raises
        ------
        StreamError
            As ``flush`` does; then the stream goes on.
        ConflictError
            If it has ended otherwise.
        """
        run(self._core.end(stream, next_stream, None))

    def abort(self, reason: str, *, stream: str = "") -> None:
        """Say that the rest of a stream will never come; as ``finish``."""
        run(self._core.end(stream, "", reason))

    def next_stream(self, stream: str) -> None:
        """Finish the producer's own stream, name another as the next one, and send there from now on."""
        run(self._core.start_next(stream))

    def set_metadata(
        self,
        value: Mapping[str, Any],
        mode: MetadataMode = "replace",
        *,
        upsert: bool = True,
        of: Of = "stream",
        stream: str = "",
    ) -> None:
        """Say something of the stream, the source or the beamtime; as ``Store.set_metadata``."""
        run(self._core.set_metadata(value, mode, upsert=upsert, of=of, stream=stream))

    def close(self) -> None:
        """Wait for every receipt, and let go of the streams, which do not end by that; once more: nothing.

        Raises
        ------
        StreamError
            As ``flush`` does.
        """
        self._finalizer.detach()
        run(self._core.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except StreamError as unstored:
            if error is None:
                raise
            error.add_note(f"and a message was not stored: {unstored}")


class AsyncProducer:
    """As ``Producer``, for coroutines: the same names, to be awaited.

    ``send`` gives way only where it must wait: for a stream to be opened, or for room.
    """

    def __init__(
        self,
        store: Store,
        address: StreamAddress,
        *,
        sync: Sync = "interval",
        level: SentLevel = "written",
        most_open: int = MOST_OPEN,
        most_open_bytes: int = MOST_OPEN_BYTES,
        exposer: FileExposer | None = None,
    ) -> None:
        self._core = ProducerCore(
            store,
            address,
            sync=sync,
            level=level,
            most_open=most_open,
            most_open_bytes=most_open_bytes,
            exposer=exposer,
        )
        self._finalizer = weakref.finalize(self, self._core.let_go)

    @property
    def address(self) -> StreamAddress:
        """As ``Producer.address``."""
        return self._core.address

    @property
    def counts(self) -> SendCounts:
        """As ``Producer.counts``."""
        return self._core.sending.counts

    async def send(
        self,
        data: Any = None,
        *,
        stream: str = "",
        id: int | None = None,  # noqa: A002
        key: int | None = None,
        timestamp_ns: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        encoding: Encodings = None,
        part: Part | None = None,
        copy: bool = True,
        timeout_s: float | None = None,
    ) -> Receipt:
        """Send a message; await what this returns once more for its outcome."""
        sent = self._core.try_send(data, stream, id, key, timestamp_ns, metadata, encoding, part, copy)
        if type(sent) is Receipt:
            return sent
        return await run_async(
            self._core.send(timeout_s, stream, part, data, id, key, timestamp_ns, metadata, encoding, part, copy)
        )

    async def open(self, stream: str = "") -> None:
        """As ``Producer.open``."""
        await run_async(self._core.open(stream))

    async def flush(self) -> None:
        """As ``Producer.flush``."""
        await run_async(self._core.sending.flush())

    async def finish(self, *, stream: str = "", next_stream: str = "") -> None:
        """As ``Producer.finish``."""
        await run_async(self._core.end(stream, next_stream, None))

    async def abort(self, reason: str, *, stream: str = "") -> None:
        """As ``Producer.abort``."""
        await run_async(self._core.end(stream, "", reason))

    async def next_stream(self, stream: str) -> None:
        """As ``Producer.next_stream``."""
        await run_async(self._core.start_next(stream))

    async def set_metadata(
        self,
        value: Mapping[str, Any],
        mode: MetadataMode = "replace",
        *,
        upsert: bool = True,
        of: Of = "stream",
        stream: str = "",
    ) -> None:
        """As ``Producer.set_metadata``."""
        await run_async(self._core.set_metadata(value, mode, upsert=upsert, of=of, stream=stream))

    async def close(self) -> None:
        """As ``Producer.close``."""
        self._finalizer.detach()
        await run_async(self._core.close())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except StreamError as unstored:
            if error is None:
                raise
            error.add_note(f"and a message was not stored: {unstored}")


def _number(value: int, what: str, least: int) -> int:
    try:
        number = index(value)
    except TypeError:
        raise StreamError(f"{what} is a whole number from {least} to 2**64 - 1, not {value!r}") from None
    if not least <= number <= LARGEST:
        raise StreamError(f"{what} is a whole number from {least} to 2**64 - 1, not {number}")
    return number


def _end(lane: Lane, next_stream: str, reason: str | None) -> None:
    if reason is None:
        lane.writer.finish(next_stream)
    else:
        lane.writer.abort(reason)
    lane.close()
