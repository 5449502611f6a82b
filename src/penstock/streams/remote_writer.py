"""Writes one stream of a store server: appends may follow each other without waiting for the answers."""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from uuid import uuid4

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, PenstockError, RemoteProtocolError, StateError, StreamError
from penstock.streams.appendable import check_appendable
from penstock.streams.pipelined_writer import PipelinedWriter, Told
from penstock.streams.remote_call import OnceCall, OpenCall
from penstock.streams.remote_connection import RemoteConnection
from penstock.streams.store import Encoding, Sync
from penstock.transport.link import Piece
from penstock.wire import stream_requests as say
from penstock.wire.layout import pack_block
from penstock.wire.stream_frames import MOST_BODY_BYTES
from penstock.wire.stream_requests import Marks

__all__ = ["PendingAppend", "RemoteWriter", "packed_append"]

_SMALL_BYTES = 1 << 16
"""Bodies below are copied into one piece: sending several costs more."""


class PendingAppend:
    """An append on its way; it is sent again, and recognised, when a connection breaks."""

    __slots__ = ("_call", "_writer")

    def __init__(self, writer: "RemoteWriter", call: OnceCall) -> None:
        self._writer, self._call = writer, call

    @property
    def is_done(self) -> bool:
        """Whether ``result`` returns or raises at once."""
        return self._call.is_done

    def result(self, timeout_s: float | None = None) -> None:
        """Wait until readers see it.

        Raises
        ------
        PenstockError
            As ``append`` does.
        TimeoutError
            If it is not known in time; it may still be written.
        """
        self._writer.settled(self._call, timeout_s)


class RemoteWriter(PipelinedWriter):
    """The writer of one stream; used by one thread at a time."""

    def __init__(self, connection: RemoteConnection, address: StreamAddress, sync: Sync) -> None:
        self.address = address
        self._connection = connection
        self._is_closed = False
        self._ended: tuple[str, str] | None = None
        self._pending: deque[OnceCall] = deque()
        self._noting = threading.Lock()  # of the marks: answers are noted in the thread that receives, too
        self._open = OpenCall(say.OpenWriter(str(address), sync, uuid4().hex))
        connection.send(self._open)
        self._marks = self._open.marks()

    @property
    def last_id(self) -> int:
        """The largest id so far; 0 for none."""
        self._settle_done()
        return self._marks.last_id

    @property
    def synced(self) -> int:
        """How many messages survive a loss of power, as the server says now."""
        if not self._is_closed and self._ended is None:
            self.settled(self._connection.request(say.AskMarks(self._open.number)))
        return self._marks.synced

    @property
    def written(self) -> int:
        """How many messages readers can see, since the stream began; of those that are on their way, none."""
        self._settle_done()
        return self._marks.written

    def append(self, block: Block, encodings: Sequence[Encoding | None] = ()) -> None:
        """Write messages; readers see all of them when it returns, or none."""
        self._check_open()
        call = OnceCall(*packed_append(self.address, self._open.number, block, encodings))
        self._connection.send(call)
        try:
            self.settled(call)
        except BaseException:  # a Ctrl-C, say: the block is the caller's again, and must not be sent once more
            self._connection.forget(call.number)
            raise

    def append_soon(self, block: Block, encodings: Sequence[Encoding | None], told: Told) -> None:
        """Send messages on their way without a copy; ``told`` is called in the thread that receives."""
        self._check_open()
        request, body = packed_append(self.address, self._open.number, block, encodings)
        self._connection.send(OnceCall(request, body, partial(self._tell, told)))

    def send(self, block: Block, encodings: Sequence[Encoding | None] = ()) -> PendingAppend:
        """Write messages without waiting for it; many may be on their way, up to what the server allows.

        Raises
        ------
        StreamError, ResultTypeError
            If it can be seen here that it cannot be written.
        StateError
            If this was closed.
        """
        self._check_open()
        request, body = packed_append(self.address, self._open.number, block, encodings)
        call = OnceCall(request, (b"".join(body),))  # a copy: the block stays the caller's
        self._connection.send(call)
        self._settle_done()
        self._pending.append(call)
        return PendingAppend(self, call)

    def send_again(self, request: say.Append | say.EndStream, body: bytes | memoryview) -> OnceCall:
        """Send what may have arrived over another connection, or from another process; ``settled`` waits for it."""
        self._check_open()
        fields = {"is_again": True} if isinstance(request, say.Append) else {}
        call = OnceCall(msgspec.structs.replace(request, writer=self._open.number, **fields), (body,) if body else ())
        self._connection.send(call)
        return call

    def present(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,), which of some ids are there already."""
        self._check_open()
        _, body = self._connection.request(say.Present(self._open.number), np.asarray(ids, "<u8").tobytes()).done()
        if len(body) != len(ids):
            raise RemoteProtocolError(f"{self.address}: {len(body)} answers for {len(ids)} ids")
        return body.astype(np.bool_)

    def sync(self) -> None:
        """Wait until all that was sent survives a loss of power; where the server's store can do that.

        Raises
        ------
        PenstockError
            If something that was sent before could not be written.
        """
        self._check_open()
        call = self._connection.request(say.SyncWriter(self._open.number))
        self._settle_all()
        self.settled(call)

    @property
    def trouble(self) -> PenstockError | None:
        """Why the stream could not be opened again after a connection broke."""
        return self._open.trouble

    def finish(self, next_stream: str = "") -> None:
        """Say that this was all."""
        self.end("finished", next_stream)

    def abort(self, reason: str) -> None:
        """Say that the rest will never come."""
        self.end("aborted", reason)

    def close(self) -> None:
        """Let go of the stream, when all that was sent is answered."""
        if self._is_closed:
            return
        self._is_closed = True
        for call in self._pending:
            with suppress(Exception):  # whoever sent it was given it to see
                call.result()
        self._connection.forget(self._open.number)
        if self._connection.is_up:  # else the server lets go of it by itself
            with suppress(StateError):  # the connection was closed first
                self._connection.request(say.Close(self._open.number)).done()

    def settled(self, call: OnceCall, timeout_s: float | None = None) -> Marks:
        """Wait for an answer, and note how far this has come."""
        try:
            marks = call.marks(timeout_s)
        except StateError:
            if self._open.trouble is not None:  # the stream could not be opened again: that is why
                raise self._open.trouble from None
            raise
        with self._noting:
            if marks.written >= self._marks.written and marks.synced >= self._marks.synced:
                self._marks = marks
        return marks

    def end(self, state: str, text: str) -> None:
        """Finish (with the next stream) or abort (with the reason) a stream."""
        if self._ended is not None or self._is_closed:
            if self._ended == (state, text):
                return
            if self._ended is not None:
                raise ConflictError(f"{self.address} was {self._ended[0]} ({self._ended[1]!r}) already")
            raise StateError(f"{self.address}: this writer is closed; it cannot end the stream")
        if len(text) > say.MOST_TEXT:
            raise StreamError(f"{self.address}: a text of {len(text)} characters; at most {say.MOST_TEXT} travel")
        call = self._connection.request(say.EndStream(self._open.number, state, text))  # type: ignore[arg-type]
        self._settle_all()
        self.settled(call)
        self._ended = state, text

    def _tell(self, told: Told, call: OnceCall) -> None:
        try:
            self.settled(call)
        except PenstockError as error:
            told(error)
        else:
            told(None)

    def _settle_done(self) -> None:
        """Forget what is answered; errors are for who waits for them."""
        while self._pending and self._pending[0].is_done:
            with suppress(Exception):
                self.settled(self._pending.popleft())

    def _settle_all(self) -> None:
        while self._pending:
            self.settled(self._pending.popleft())

    def _check_open(self) -> None:
        if self._is_closed:
            raise StateError(f"{self.address}: this writer is closed")


def packed_append(
    address: StreamAddress, writer: int, block: Block, encodings: Sequence[Encoding | None]
) -> tuple[say.Append, Sequence[Piece]]:
    """Return a request to append, and the pieces of its body, which may be memory of the block.

    Raises
    ------
    StreamError
        If it is too large to travel, or its ids are not as they must be.
    ResultTypeError
        If something in it cannot travel.
    """
    check_appendable(address, block, encodings)
    packed = pack_block(block)
    if packed.places.end > MOST_BODY_BYTES:
        raise StreamError(f"{address}: a block of {packed.places.end} bytes; at most {MOST_BODY_BYTES} travel")
    body: list[Piece] = [piece.data for piece in packed.pieces()]
    fields = tuple([None if e is None else (e.name, e.dtype, e.shape) for e in encodings])
    return say.Append(writer, packed.layout, fields), [b"".join(body)] if packed.places.end < _SMALL_BYTES else body
