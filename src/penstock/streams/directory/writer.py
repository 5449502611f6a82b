"""The one writer of a stream in a folder: whoever asks first has the lock; the rest is appending, and a small state."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, IntegrityError, StateError, StoreFullError, StreamError
from penstock.streams.appendable import check_appendable, conflict, has_ended
from penstock.streams.directory.aligned_buffer import AlignedBuffer
from penstock.streams.directory.cached_tail import CachedTail
from penstock.streams.directory.committed import Committed, GoneError
from penstock.streams.directory.file_names import segment_numbers, sync_folder
from penstock.streams.directory.growing_segment import GrowingSegment, disk_errors
from penstock.streams.directory.info import closed_state
from penstock.streams.directory.own_index import own_index
from penstock.streams.directory.removed_ids import read_removed
from penstock.streams.directory.repair import repair_segment
from penstock.streams.directory.retainer import Retainer
from penstock.streams.directory.state_file import StateFile, write_state
from penstock.streams.directory.stream_lock import StreamLock
from penstock.streams.directory.syncer import Syncer
from penstock.streams.segment import pack
from penstock.streams.store import Encoding, StreamState, StreamWriter, Sync

__all__ = ["DirectoryWriter"]

MUCH_BYTES = 16 << 20
"""That are written out at once: the disk works while the next ones come."""


class DirectoryWriter(StreamWriter):
    """Append to a stream whose lock is held; may be used from several threads.

    Parameters
    ----------
    lock
        Of the stream; closed by ``close``, and if this cannot be made.
    state
        What the stream's state was when the lock was taken.
    now_ns
        The clock; what it says is noted and nothing else.
    """

    def __init__(
        self,
        address: StreamAddress,
        folder: Path,
        lock: StreamLock,
        state: StateFile,
        *,
        sync: Sync,
        segment_bytes: int,
        direct_bytes: int,
        syncer: Syncer,
        retainer: Retainer,
        now_ns: Callable[[], int],
    ) -> None:
        self._address = address
        self._folder = folder
        self._lock = lock
        self._sync: Sync = sync
        self._segment_bytes = segment_bytes
        self._direct_bytes = direct_bytes
        self._buffer = AlignedBuffer()
        self._tail = CachedTail()
        self._syncer = syncer
        self._retainer = retainer
        self._now_ns = now_ns
        self._mutex = threading.RLock()
        self._syncing = threading.RLock()
        """Always taken before ``_mutex``: a sync takes long, and appending goes on meanwhile."""
        self._growing: GrowingSegment | None = None
        self._rotated: list[GrowingSegment] = []
        self._unsynced_bytes = 0
        self._failure: OSError | None = None
        self._is_closed = False
        self._names_synced = True
        self._committed = Committed(folder, address.stream)
        try:
            self._open(state)
        except BaseException:
            self._committed.close()
            self._lock.close()
            raise

    def _open(self, state: StateFile) -> None:
        numbers = segment_numbers(self._folder)
        with disk_errors(self._folder):
            # The last but one, too: when the power was lost, its index may not have been synced yet.
            for number in numbers:
                if (state.is_written and number in numbers[-2:]) or own_index(self._folder, number) is None:
                    repair_segment(self._folder, number)
            self._committed.refresh()
            self._removed = read_removed(self._folder)
            blocks = self._committed.blocks
            self._written = max(blocks.end, state.totals.written)
            self._last_id = max(blocks.last_id, state.totals.last_id)
            self._synced = state.totals.synced
            self._last_segment = max([state.last_segment, *numbers])
            self._state = msgspec.structs.replace(state, is_written=True, sync=self._sync)
            write_state(self._folder, self._state, sync=self._sync != "none")
            if self._sync != "none" and numbers:
                self._sync_old(numbers[-1])

    def _sync_old(self, number: int) -> None:
        """Sync what a killed writer has left: it may not have come to it."""
        self._committed.view(number).sync()
        sync_folder(self._folder)
        self._synced = self._written

    @property
    def last_id(self) -> int:
        """The largest id so far; 0 for none."""
        return self._last_id

    @property
    def synced(self) -> int:
        """How many messages survive a loss of power."""
        return self._synced

    @property
    def written(self) -> int:
        """How many messages readers can see."""
        return self._written

    def append(self, block: Block, encodings: Sequence[Encoding | None] = ()) -> None:
        """Write messages; see `StreamWriter.append`."""
        try:
            nbytes = self._append(block, encodings)
        except StoreFullError as error:
            self._make_room(error)
            nbytes = self._append(block, encodings)
        if not nbytes:
            return
        if self._sync == "interval":
            self._unsynced_bytes += nbytes
            self._syncer.ask(id(self), self._sync_quietly, is_much=self._unsynced_bytes >= MUCH_BYTES)
        elif self._sync == "always":
            self.sync()

    def _append(self, block: Block, encodings: Sequence[Encoding | None]) -> int:
        """Write messages, and return how many bytes that were."""
        with self._mutex:
            self._check_going_on()
            check_appendable(self._address, block, encodings)
            if not len(block):
                return 0
            first, last = int(block.ids[0]), int(block.ids[-1])
            if first <= self._last_id and (there := self.present(block.ids)).any():
                raise conflict(self._address, block.ids[there])
            packed, now_ns = pack(block, encodings), self._now_ns()
            growing = self._segment_for(packed.nbytes, now_ns)
            is_followed = packed.nbytes >= self._direct_bytes and self._lock.is_followed()
            record = growing.append(packed, self._written, now_ns, is_followed=is_followed)
            self._committed.add(record, growing.number)
            self._written += len(block)
            self._last_id = max(self._last_id, last)
            return packed.nbytes

    def _make_room(self, error: StoreFullError) -> None:
        """Let retention do at once what it may; raise what is given if it may not, and say why."""
        try:
            retained = self._retainer.now(self._address)
        except StreamError:  # mostly of the same full disk, and of less help
            raise error from None
        if retained.held_by and not retained.messages:
            raise StoreFullError(f"{error}; {retained}") from error
        with self._mutex:
            self._drop_removed()
        self.sync()  # which closes the segments that are full: the disk has back what was removed when nobody has it

    def _drop_removed(self) -> None:
        """Let go of what retention has removed; its ids are remembered."""
        first = self._committed.blocks.first
        self._committed.drop_removed()
        if self._committed.blocks.first != first:
            self._removed = read_removed(self._folder)

    def _check_going_on(self) -> None:
        if self._failure is not None:
            raise StateError(
                f"{self._address}: what was written could not be synced ({self._failure}); what of it is kept is not"
                " known, so this writer is done: open the stream again"
            )
        if self._is_closed:
            raise StateError(f"{self._address}: this writer is closed")
        if self._state.has_ended:
            raise has_ended(self._address, self._state.state, self._state.reason)

    def _segment_for(self, nbytes: int, now_ns: int) -> GrowingSegment:
        """Return the segment for a block of some size, a new one if the last would become too large."""
        growing = self._growing
        if growing is not None and (growing.is_empty or growing.end + nbytes <= self._segment_bytes):
            return growing
        new = GrowingSegment(
            self._folder,
            self._last_segment + 1,
            now_ns,
            buffer=self._buffer,
            tail=self._tail,
            direct_bytes=self._direct_bytes,
        )
        if growing is not None:
            if self._sync == "none":
                growing.close()
            else:
                self._rotated.append(growing)
        self._last_segment += 1
        self._state = msgspec.structs.replace(self._state, last_segment=self._last_segment)
        self._names_synced = False
        self._growing = new
        self._drop_removed()
        if self._last_segment > 1:
            self._retainer.ask(self._address)
        return new

    def present(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,), which of some ids are there already; all of a damaged block count as there."""
        ids = np.asarray(ids, np.uint64)
        with self._mutex:
            if not len(ids):
                return np.zeros(0, np.bool_)
            found = self._removed.contains(ids)
            blocks = self._committed.blocks
            for number in blocks.overlapping(int(ids.min()), int(ids.max())):
                header = blocks.header(number)
                inside = (ids >= np.uint64(header.first_id)) & (ids <= np.uint64(header.last_id))
                if not header.is_dense and inside.any():
                    try:
                        inside[inside] = np.isin(ids[inside], self._committed.read(number).block.ids)
                    except IntegrityError:
                        pass
                    except GoneError:
                        self._drop_removed()
                        return self.present(ids)
                found |= inside
            return found

    def sync(self) -> None:
        """Wait until all that was written survives a loss of power.

        Raises
        ------
        StateError
            If it could not be synced. That is final: what of it is kept cannot be known, also by trying again.
        """
        with self._syncing:
            with self._mutex:
                if self._failure is not None:
                    self._check_going_on()
                if self._is_closed:
                    return
                self._unsynced_bytes = 0
                mark, rotated, growing = self._written, self._rotated, self._growing
                self._rotated = []
                names_synced, self._names_synced = self._names_synced, True
            try:
                for segment in rotated:
                    segment.sync(is_last=False)
                if growing is not None:
                    growing.sync()
                if not names_synced:
                    sync_folder(self._folder)
            except OSError as error:
                self._failure = error
                self._check_going_on()
            finally:
                for segment in rotated:
                    segment.close()
            self._synced = mark

    def _sync_quietly(self) -> None:
        try:
            self.sync()
        except StateError:  # the next append says so
            return

    def finish(self, next_stream: str = "") -> None:
        """Say that this was all; see `StreamWriter.finish`."""
        self._end(StreamState.FINISHED, next_stream=next_stream)

    def abort(self, reason: str) -> None:
        """Say that the rest will never come; see `StreamWriter.abort`."""
        self._end(StreamState.ABORTED, reason=reason)

    def _end(self, state: StreamState, *, next_stream: str = "", reason: str = "") -> None:
        with self._syncing, self._mutex:
            wanted = state, next_stream, reason
            there = self._state.state, self._state.next_stream, self._state.reason
            if self._state.has_ended and wanted == there:
                return
            if self._state.has_ended:
                raise ConflictError(f"{self._address} is {there[0]} already{self._said()}")
            self._check_going_on()
            self.sync()
            with self._while_nothing_is_removed(), disk_errors(self._folder):
                ended = msgspec.structs.replace(
                    self._closed_state(), state=state, next_stream=next_stream, reason=reason
                )
                write_state(self._folder, ended)
            self._state = ended

    def _said(self) -> str:
        said = self._state.next_stream or self._state.reason
        return f" ({said})" if said else ""

    def _closed_state(self) -> StateFile:
        self._committed.drop_removed()
        return closed_state(self._state, self._committed, self._synced)

    def close(self) -> None:
        """Let go of the stream; once more: nothing.

        Raises
        ------
        StateError
            If it could not be synced. It is let go nevertheless.
        """
        with self._syncing, self._mutex:
            if self._is_closed:
                return
            try:
                if not self._state.has_ended:
                    self._leave()
            finally:
                self._is_closed = True
                self._syncer.forget(id(self))
                for segment in (*self._rotated, *([] if self._growing is None else [self._growing])):
                    segment.close()
                self._rotated, self._growing = [], None
                self._tail.close()
                self._committed.close()
                self._lock.close()

    def _leave(self) -> None:
        if self._sync != "none":
            self.sync()
        try:
            with self._while_nothing_is_removed(), disk_errors(self._folder):
                write_state(self._folder, self._closed_state(), sync=self._sync != "none")
                self._lock.close()
        except StoreFullError:
            # Nothing is lost by that: the next one finds the stream as if this writer had been killed.
            return

    def _while_nothing_is_removed(self) -> AbstractContextManager[StreamLock]:
        """Hold up retention, which leaves it to who writes to say how much is left: it would be said wrong for ever."""
        return closing(StreamLock(self._folder, "retain", waits=True))

    def __repr__(self) -> str:
        return f"DirectoryWriter({self._address!s}, {self._written} written, {self._synced} synced)"
