"""Writes one stream of a store server, or of a file on this machine while the server is away.

What is in the file is sent when the server is back, by this process or the next one; what may have arrived already is
recognised by the server.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.id_set import IdSet
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, PenstockError, StateError
from penstock.streams.appendable import check_appendable, conflict, has_ended
from penstock.streams.remote_call import AwayError, OnceCall
from penstock.streams.remote_connection import RemoteConnection
from penstock.streams.remote_writer import RemoteWriter, packed_append
from penstock.streams.spool_file import SpoolFile
from penstock.streams.store import Encoding, StreamWriter, Sync
from penstock.wire import stream_requests as say
from penstock.wire.layout import read_block
from penstock.wire.stream_frames import Frame

__all__ = ["SpoolingWriter"]

UNANSWERED = 64
"""Spooled appends on their way at a time."""


class SpoolingWriter(StreamWriter):
    """The writer of one stream, whether the server is there or not; may be used from several threads.

    An append returns when the server has written it, or when it lies in the file. A conflict may be seen late then:
    what the server refuses is put aside in a file of its own, and told by the next call.
    """

    def __init__(
        self,
        connection: RemoteConnection,
        address: StreamAddress,
        sync: Sync,
        file: SpoolFile,
    ) -> None:
        self.address = address
        self._connection, self._sync, self._file = connection, sync, file
        self._lock = threading.Condition()
        self._writer: RemoteWriter | None = None
        self._spooled = IdSet()
        self._trouble: PenstockError | None = None
        self._is_closed = False
        self._end: tuple[str, str] | None = None
        self._delivering: threading.Thread | None = None
        self._delivered = 0
        """How many bytes of the file have arrived."""
        for frame, _ in file.frames():
            self._note(frame)
        with self._lock:
            if file.nbytes:
                self._deliver_later()
            else:
                self._try(self._open)

    @property
    def is_spooling(self) -> bool:
        """Whether something lies in the file."""
        return self._file.nbytes > 0

    @property
    def last_id(self) -> int:
        """The largest id that is known here."""
        with self._lock:
            return max(self._writer.last_id if self._writer is not None else 0, self._spooled.last)

    @property
    def written(self) -> int:
        """How many messages the server has written, as far as is known here."""
        with self._lock:
            return self._writer.written if self._writer is not None else 0

    @property
    def synced(self) -> int:
        """How many messages survive a loss of power at the server, as far as is known here."""
        with self._lock:
            found: list[int] = []
            if not self._is_closed:
                self._try(lambda: found.append(self._open().synced))
            return found[0] if found else 0

    def append(self, block: Block, encodings: Sequence[Encoding | None] = ()) -> None:
        """Write messages, or put them into the file while the server is away."""
        check_appendable(self.address, block, encodings)
        with self._lock:
            self._check()
            if len(block) and (present := self._spooled.contains(block.ids)).any():
                raise conflict(self.address, block.ids[present])
            if not self.is_spooling and self._try(lambda: self._open().append(block, encodings)):
                return
            request, body = packed_append(self.address, 0, block, encodings)
            self._spool(request, b"".join(body))
            self._spooled.add_all(block.ids)

    def present(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,), which of some ids are there already, at the server if it is there, or in the file."""
        with self._lock:
            self._check()
            there = [self._spooled.contains(ids)]
            if not self.is_spooling:
                self._try(lambda: there.append(self._open().present(ids)))
            return np.logical_or(there[0], there[-1])

    def sync(self) -> None:
        """Wait until all of it survives a loss of power, at the server or in the file."""
        with self._lock:
            self._check()
            if self.is_spooling or not self._try(lambda: self._open().sync()):
                self._file.sync()

    def finish(self, next_stream: str = "") -> None:
        """Say that this was all; in the file, while the server is away."""
        self._finish("finished", next_stream)

    def abort(self, reason: str) -> None:
        """Say that the rest will never come; in the file, while the server is away."""
        self._finish("aborted", reason)

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until the server has all that lay in the file; return whether it has."""
        with self._lock:
            has_all = self._lock.wait_for(lambda: not self.is_spooling or self._is_closed, timeout_s)
            return has_all and not self.is_spooling

    def close(self) -> None:
        """Let go of the stream; what lies in the file is left for the next who writes it."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._lock.notify_all()
            delivering, writer = self._delivering, self._writer
        if delivering is not None:
            self._connection.wake()
            delivering.join()
        if writer is not None:
            writer.close()
        self._file.close()
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble

    def _finish(self, state: str, text: str) -> None:
        with self._lock:
            if self._end is not None:
                if self._end == (state, text):
                    return
                raise ConflictError(f"{self.address} was {self._end[0]} ({self._end[1]!r}) already")
            self._check()
            if self.is_spooling or not self._try(lambda: self._open().end(state, text)):
                self._spool(say.EndStream(0, state, text), b"")  # type: ignore[arg-type]
            self._end = state, text

    def _open(self) -> RemoteWriter:
        if self._writer is None:
            self._writer = RemoteWriter(self._connection, self.address, self._sync)
        return self._writer

    def _try(self, act: Callable[[], object]) -> bool:
        """Do something at the server; return whether that was there."""
        try:
            act()
        except AwayError:
            return False
        return True

    def _spool(self, request: say.Append | say.EndStream, body: bytes) -> None:
        self._file.append(request, body, synced=self._sync == "always")
        self._deliver_later()

    def _check(self) -> None:
        if self._is_closed:
            raise StateError(f"{self.address}: this writer is closed")
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble
        if self._end is not None:
            raise has_ended(self.address, self._end[0], self._end[1] if self._end[0] == "aborted" else "")

    def _note(self, frame: Frame) -> None:
        request = say.open_request(frame.head)
        if isinstance(request, say.Append):
            self._spooled.add_all(read_block(request.layout, frame.body, "").ids)
        elif isinstance(request, say.EndStream):
            self._end = request.state, request.text

    # The thread that sends what lies in the file.

    def _deliver_later(self) -> None:
        if self._delivering is None:
            self._delivering = threading.Thread(target=self._deliver, name=f"spool {self.address}", daemon=True)
            self._delivering.start()

    def _deliver(self) -> None:
        while self._connection.wait_until_up(lambda: self._is_closed):
            try:
                self._send_all()
            except AwayError:
                continue
            except PenstockError as error:  # the stream cannot be written now: all of it stays
                with self._lock:
                    self._trouble, self._writer, self._delivering = error, None, None
                    self._lock.notify_all()
                return
            with self._lock:
                if self._delivered == self._file.nbytes:
                    self._file.clear()
                    self._delivered, self._spooled, self._delivering = 0, IdSet(), None
                    self._lock.notify_all()
                    return

    def _send_all(self) -> None:
        with self._lock:
            writer = self._open()
        pending: deque[tuple[Frame, int, OnceCall]] = deque()
        for frame, behind in self._file.frames(self._delivered):
            pending.append((frame, behind, self._send(writer, frame)))
            if len(pending) > UNANSWERED:
                self._settle(writer, *pending.popleft())
        while pending:
            self._settle(writer, *pending.popleft())

    def _send(self, writer: RemoteWriter, frame: Frame) -> OnceCall:
        request = say.open_request(frame.head)
        if isinstance(request, say.Append):
            return writer.send_again(request, frame.body.data)
        assert isinstance(request, say.EndStream)
        return writer.send_again(request, b"")

    def _settle(self, writer: RemoteWriter, frame: Frame, behind: int, call: OnceCall) -> None:
        try:
            writer.settled(call)
        except AwayError:
            raise
        except PenstockError as error:
            if writer.trouble is not None:  # of the stream, not of this message
                raise
            self._file.refuse(frame)
            with self._lock:
                self._trouble = error
        self._delivered = behind
