"""One reader of a stream in a folder; it writes nothing, and its writer knows nothing of it."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import IntegrityError, StateError
from penstock.streams.directory.committed import Committed, GoneError
from penstock.streams.directory.info import closed_info, open_info
from penstock.streams.directory.segment_view import Check, SegmentView
from penstock.streams.directory.state_file import StateFile
from penstock.streams.directory.stream_lock import FollowMark
from penstock.streams.directory.waker import LookingWaker, Waker, make_waker
from penstock.streams.directory.watched_state import NO_STATE, WatchedState
from penstock.streams.id_order import by_id
from penstock.streams.segment import BlockHeader
from penstock.streams.store import StoredBlock, StreamInfo, StreamReader

__all__ = ["DirectoryReader"]


class DirectoryReader(StreamReader):
    """Read a stream whose folder may not be there yet.

    Parameters
    ----------
    top
        The folder of all streams, which is there.
    check
        When to look whether blocks are what was written.
    """

    def __init__(
        self,
        address: StreamAddress,
        folder: Path,
        top: Path,
        *,
        check: Check = "first",
        wakers: Callable[[Path, Path], Waker | LookingWaker] = make_waker,
    ) -> None:
        self._address = address
        self._folder = folder
        self._top = top
        self._wakers = wakers
        self._committed = Committed(folder, address.stream, check)
        self._state = WatchedState(folder)
        self._waker: Waker | LookingWaker | None = None
        self._keeps_latest = check == "first"
        self._latest: tuple[SegmentView, BlockHeader, StoredBlock] | None = None
        """The block that was read last; who goes through a stream by id needs it again and again."""
        self._closed: tuple[StateFile, StreamInfo] | None = None
        self._mark = FollowMark(folder)
        self._is_closed = False
        self._in_use = threading.RLock()

    @property
    def info(self) -> StreamInfo:
        """How the stream is, as of now."""
        with self._in_use:
            self._check_open()
            state = self._state.now()
            if state is not NO_STATE and not state.is_written:
                if self._closed is None or self._closed[0] is not state:
                    self._closed = state, closed_info(self._address, state)
                return self._closed[1]
            self._committed.refresh()
            return open_info(self._address, state, self._committed)

    @property
    def arrived(self) -> tuple[int, int]:
        """How many messages have arrived, and how many of them were removed since, as of now."""
        with self._in_use:
            self._check_open()
            state = self._state.now()
            if state is not NO_STATE and not state.is_written:
                return state.totals.begin + state.totals.count, state.totals.begin
            self._committed.refresh()
            blocks = self._committed.blocks
            written = max(blocks.end, state.totals.written)
            return written, blocks.begin if len(blocks) else written

    def blocks(self, position: int = 0) -> Iterator[StoredBlock]:
        """Yield what is there now, in the order of arrival; see `StreamReader.blocks`.

        Raises
        ------
        IntegrityError
            At a block that is not what was written, or where one is lost.
        """
        self._refresh()
        blocks = self._committed.blocks
        wanted = max(position, blocks.begin)
        for number in range(blocks.at(wanted), blocks.stop):
            header = blocks.header(number)
            if header.position > wanted:
                self._raise_lost(wanted, header.position, number)
            try:
                found = self._read(number)
            except IntegrityError as error:
                raise IntegrityError(str(error), after=header.position + header.rows) from error
            if found is not None:
                yield found.take(slice(max(wanted - header.position, 0), None))
            wanted = header.position + header.rows

    def _raise_lost(self, wanted: int, found: int, number: int) -> None:
        where = self._committed.segment_path(self._committed.blocks.segment(number))
        at = self._committed.blocks.header(number).at
        raise IntegrityError(
            f"{where}: before byte {at}, {found - wanted} messages are not what was written", after=found
        )

    def get(self, first_id: int, last_id: int | None = None) -> Iterator[StoredBlock]:
        """Yield the messages of some ids that are there, ids ascending; see `StreamReader.get`."""
        last_id = first_id if last_id is None else last_id
        known = self._known(first_id, last_id)
        if known is not None:
            yield known[0].take(known[1])
            return
        self._refresh()
        numbers = self._committed.blocks.overlapping(first_id, last_id)
        yield from by_id(filter(None, map(self._read, numbers)), first_id, last_id)

    def message(self, message_id: int) -> Message | None:
        """Return one message, or ``None`` if it is not there."""
        known = self._known(message_id, message_id)
        return super().message(message_id) if known is None else next(known[0].messages(known[1]))

    def _known(self, first_id: int, last_id: int) -> tuple[StoredBlock, slice] | None:
        """Return the block that has all of these ids, and where, if it is the one that was read last.

        As no id is in two blocks, nothing that came since can matter: the index need not be asked.
        """
        with self._in_use:
            self._check_open()
            if self._latest is None:
                return None
            view, header, stored = self._latest
            if not header.first_id <= first_id <= last_id <= header.last_id:
                return None
            if header.is_dense:
                row = first_id - header.first_id
            elif first_id == last_id:
                ids = stored.block.ids
                row = int(ids.searchsorted(np.uint64(first_id)))
                if ids[row] != first_id:
                    return None
            else:
                return None
            if not view.is_there:
                self._latest = None
                return None
            return stored, slice(row, row + last_id - first_id + 1)

    def _overlapping(self, first_id: int, last_id: int) -> Iterator[list[int]]:
        """Yield blocks that must be read together, because the ranges of their ids overlap."""
        together: list[int] = []
        reach = 0
        for number in self._committed.blocks.overlapping(first_id, last_id):
            header = self._committed.blocks.header(number)
            if together and header.first_id > reach:
                yield together
                together = []
            together.append(number)
            reach = max(reach, header.last_id)
        if together:
            yield together

    def ids(self, first_id: int = 1, limit: int = 1 << 20) -> NDArray[np.uint64]:
        """(n,), the ids that are there, ascending, from ``first_id`` on."""
        self._refresh()
        found: list[NDArray[np.uint64]] = []
        n = 0
        for together in self._overlapping(max(first_id, 0), 2**64 - 1):
            if n >= limit:
                break
            ids = np.sort(np.concatenate([self._ids_of(number) for number in together]))
            found.append(ids[np.searchsorted(ids, np.uint64(max(first_id, 0))) :])
            n += len(found[-1])
        return np.concatenate(found)[:limit] if found else np.empty(0, np.uint64)

    def _ids_of(self, number: int) -> NDArray[np.uint64]:
        header = self._committed.blocks.header(number)
        if header.is_dense:
            return np.arange(header.rows, dtype=np.uint64) + np.uint64(header.first_id)
        found = self._read(number)
        return np.empty(0, np.uint64) if found is None else found.block.ids

    def between(self, first_ns: int, last_ns: int) -> Iterator[StoredBlock]:
        """Yield the messages whose timestamps lie in ``[first_ns, last_ns]``, in the order of arrival."""
        self._refresh()
        for number in self._committed.blocks.within(first_ns, last_ns):
            found = self._read(number)
            if found is None:
                continue
            times = found.block.timestamps
            for rows in _runs(np.flatnonzero((times >= first_ns) & (times <= last_ns))):
                yield found.take(rows)

    def wait(self, position: int, timeout_s: float | None = None) -> bool:
        """Wait until more than ``position`` messages have arrived, or the stream has ended; see `StreamReader.wait`."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with self._in_use:
            while True:
                self._check_open()
                waker = self._ready_waker()
                self._mark.leave()
                self._check_open()  # who closed meanwhile found no waker to tell, or what it told was taken note of
                state = self._state.now()
                if max(self._committed.blocks.end, state.totals.written) > position or state.has_ended:
                    return True
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return False
                waker.wait(left)

    def _ready_waker(self) -> Waker | LookingWaker:
        """Return what wakes, quiet, after having looked at all there is: what changes from now on wakes."""
        waker = self._some_waker()
        while True:
            watched = self._committed.index_path
            waker.watch(watched)
            is_lost = waker.quiet()
            self._committed.refresh()
            if self._committed.index_path == watched and not is_lost:
                return waker

    def _some_waker(self) -> Waker | LookingWaker:
        if self._waker is None:
            self._waker = self._wakers(self._folder, self._top)
        return self._waker

    def fileno(self) -> int:
        """Return a descriptor that can be read when something has changed; ``wait`` with 0 s makes it quiet again.

        At first it can be read if anything is there.
        """
        with self._in_use:
            self._check_open()
            if self._waker is not None:
                return self._waker.fileno()
            waker = self._ready_waker()
            descriptor = waker.fileno()
            if self._committed.blocks.end or self._state.now().has_ended:
                waker.tell()
            return descriptor

    def close(self) -> None:
        """Let go; arrays that somebody holds stay valid."""
        self._is_closed = True
        if (waker := self._waker) is not None:
            waker.tell()
        with self._in_use:
            if self._waker is not None:
                self._waker.close()
                self._waker = None
            self._latest = None
            self._committed.close()
            self._state.close()
            self._mark.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise StateError(f"{self._address}: this reader is closed")

    def _refresh(self) -> None:
        with self._in_use:
            self._check_open()
            self._committed.refresh()

    def _read(self, number: int) -> StoredBlock | None:
        """Return a block; ``None`` if retention has removed it since."""
        with self._in_use:
            self._check_open()
            try:
                found = self._committed.read(number)
                if self._keeps_latest:
                    blocks = self._committed.blocks
                    self._latest = self._committed.view(blocks.segment(number)), blocks.header(number), found
                return found
            except GoneError:
                self._committed.drop_removed()
                return None

    def __repr__(self) -> str:
        return f"DirectoryReader({self._address!s})"


def _runs(rows: NDArray[np.intp]) -> Iterator[slice]:
    """Yield rows as slices of rows that follow each other."""
    if not len(rows):
        return
    cuts = (np.flatnonzero(np.diff(rows) != 1) + 1).tolist()
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        yield slice(int(rows[start]), int(rows[stop - 1]) + 1)
