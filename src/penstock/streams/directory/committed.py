"""What is committed of a stream in its folder: the records of its indexes as they grow, and the blocks they name.

Both the writer and each reader have one. It never writes. Where an index is missing or damaged, the segment itself is
looked through, so that reading needs nobody to rebuild first.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from penstock.streams import segment as bytes_of
from penstock.streams.directory.file_names import index_name, segment_name, segment_numbers
from penstock.streams.directory.record_index import RecordIndex
from penstock.streams.directory.own_index import own_index
from penstock.streams.directory.segment_view import Check, SegmentView
from penstock.streams.directory.stream_lock import is_locked
from penstock.streams.segment import RECORD, RECORD_BYTES, BlockHeader, FileHeader
from penstock.streams.store import StoredBlock

__all__ = ["Committed", "GoneError", "found_in_segment", "token_of"]

_MOST_VIEWS = 16
"""Segments that stay open and mapped at once."""


class GoneError(Exception):
    """Retention has removed a segment since it was looked for."""


class Committed:
    """The committed blocks of a stream, as of the last ``refresh``.

    Parameters
    ----------
    folder
        Of the stream; need not exist yet.
    stream
        What blocks call their stream.
    """

    def __init__(self, folder: Path, stream: str, check: Check = "first") -> None:
        self.folder = folder
        self.blocks = RecordIndex()
        self._stream = stream
        self._check = check
        self._views: dict[int, SegmentView] = {}
        self._folder_fd = -1
        self._growing: _GrowingIndex | None = None

    @property
    def last_segment(self) -> int:
        """The number of the newest segment; 0 for none."""
        return 0 if self._growing is None else self._growing.number

    @property
    def index_path(self) -> Path | None:
        """The file that grows."""
        return None if self._growing is None else self.folder / index_name(self._growing.number)

    def segment_path(self, number: int) -> Path:
        """Return the file of a segment."""
        return self.folder / segment_name(number)

    def refresh(self) -> None:
        """See what has been committed or removed."""
        if not self._is_same_folder():
            self._begin_anew()
        if self._folder_fd < 0:
            return
        if self._growing is None:
            numbers = segment_numbers(self.folder)
            if not numbers:
                return
            self._growing = _GrowingIndex(self.folder, numbers[0])
        while True:
            has_next = (self.folder / index_name(self._growing.number + 1)).exists() or (
                self.folder / segment_name(self._growing.number + 1)
            ).exists()
            # Once more after the next one is there: its writer has finished with this one then.
            self.blocks.add(self._growing.more(self.blocks.end), self._growing.number)
            if not has_next:
                break
            self._growing.close()
            self._growing = _GrowingIndex(self.folder, self._growing.number + 1)
        self._drop_removed()

    def _is_same_folder(self) -> bool:
        """Tell whether the folder is still the one that was opened: the stream may be deleted and made again."""
        try:
            now = self.folder.stat()
        except FileNotFoundError:
            return self._folder_fd < 0
        if self._folder_fd < 0:
            return False
        opened = os.fstat(self._folder_fd)  # held open, so that no other folder gets its number
        return (opened.st_dev, opened.st_ino) == (now.st_dev, now.st_ino)

    def _begin_anew(self) -> None:
        self.close()
        self.blocks = RecordIndex()
        try:
            self._folder_fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._folder_fd = -1

    def _drop_removed(self) -> None:
        if len(self.blocks) and not (self.folder / segment_name(self.blocks.segment(self.blocks.first))).exists():
            self.drop_removed()

    def drop_removed(self) -> None:
        """Forget the segments that are no longer there."""
        numbers = segment_numbers(self.folder)
        first = numbers[0] if numbers else self.last_segment + 1
        self.blocks.drop(first)
        for number in [number for number in self._views if number < first]:
            self._views.pop(number).close()

    def add(self, header: bytes, number: int) -> None:
        """Take what this process itself has committed."""
        self.blocks.add(np.frombuffer(header, RECORD), number)

    def read(self, number: int) -> StoredBlock:
        """Return a block.

        Raises
        ------
        IntegrityError
            If its bytes are not what was written.
        GoneError
            If its segment is not there any more.
        """
        header = self.blocks.header(number)
        return self.view(self.blocks.segment(number)).read(header)

    def view(self, number: int) -> SegmentView:
        """Return a segment."""
        view = self._views.get(number)
        if view is None:
            try:
                view = SegmentView(self.folder / segment_name(number), self._stream, self._check)
            except FileNotFoundError as error:
                raise GoneError from error
            while len(self._views) >= _MOST_VIEWS:
                self._views.pop(next(iter(self._views))).close()
            self._views[number] = view
        return view

    def close(self) -> None:
        """Let go; arrays that somebody holds stay valid."""
        for view in self._views.values():
            view.close()
        self._views.clear()
        if self._growing is not None:
            self._growing.close()
            self._growing = None
        if self._folder_fd >= 0:
            os.close(self._folder_fd)
            self._folder_fd = -1


class _GrowingIndex:
    """The index of one segment, read as it grows; the segment in its place where there is none or it is damaged."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self._folder = folder
        self._segment = folder / segment_name(number)
        self._path = folder / index_name(number)
        self._fd = -1
        self._end = RECORD_BYTES
        """Where in the segment the blocks end that are known."""
        self._looked_at = 0
        """How long the segment was when it was looked through."""
        self._open()

    def _open(self) -> None:
        self.close()
        self._at = RECORD_BYTES
        self._token = 0
        self._is_sound = False
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        header = own_index(self._folder, self.number)
        if header is not None:
            self._is_sound = True
            self._token = header.token

    def more(self, position: int) -> np.ndarray[Any, Any]:  # of RECORD, which NumPy has no type for
        """Return the records that have come since the last time, from a position on."""
        found = self._stat()
        if found is None or not self._is_sound:
            return self._from_segment(position)
        waiting = found.st_size - self._at
        if waiting < RECORD_BYTES:
            return self._left_behind(position)
        data = os.pread(self._fd, waiting - waiting % RECORD_BYTES, self._at)
        records = bytes_of.read_records(data, self._token)
        self._at += len(records) * RECORD_BYTES
        bad = len(data) // RECORD_BYTES - len(records)
        self._take(records)
        end = int(records["position"][-1] + records["rows"][-1]) if len(records) else position
        if bad > 1 or (bad and not is_locked(self._folder)):  # the last may be in the middle of being written
            self._is_sound = False
            records = np.concatenate((records, self._from_segment(end)))
        elif not bad and len(left := self._left_behind(end)):
            records = np.concatenate((records, left))
        return records[records["position"] >= position] if len(records) else records

    def _stat(self) -> os.stat_result | None:
        """Return what the index is now; one that was made again, because its writer was killed, is opened."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None if self._fd < 0 else os.fstat(self._fd)
        if self._fd < 0 or os.fstat(self._fd).st_ino != found.st_ino:
            self._open()
        return found

    def _left_behind(self, position: int) -> np.ndarray[Any, Any]:
        """Return the blocks that have no record because their writer was killed before."""
        try:
            length = self._segment.stat().st_size
        except FileNotFoundError:
            return np.empty(0, RECORD)
        if length < self._end + RECORD_BYTES or length == self._looked_at or is_locked(self._folder):
            return np.empty(0, RECORD)
        self._looked_at = length
        return self._from_segment(position)

    def _take(self, records: np.ndarray[Any, Any]) -> None:
        if len(records):
            self._end = BlockHeader.of(records[-1]).end

    def _from_segment(self, position: int) -> np.ndarray[Any, Any]:
        try:
            view = SegmentView(self._segment, "")
        except FileNotFoundError:
            return np.empty(0, RECORD)
        try:
            records = found_in_segment(view, self._token, self._end, position)
        finally:
            view.close()
        self._take(records)
        return records

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def found_in_segment(view: SegmentView, token: int, at: int, position: int) -> np.ndarray[Any, Any]:
    """Return the records of the blocks of a segment from a place on, made from the segment itself."""
    data = view.bytes()
    token = token or token_of(data)
    found = b"".join(header.encode() for header in bytes_of.find_blocks(data, token, at, position))
    return np.frombuffer(found, RECORD)


def token_of(data: np.ndarray[Any, Any]) -> int:
    """Return a segment's token: from its header, or if that is damaged from its first block; 0 if there is none."""
    header = FileHeader.decode(data[:RECORD_BYTES].tobytes(), bytes_of.SEGMENT)
    if header is not None:
        return header.token
    first = next(bytes_of.find_blocks(data, 0, RECORD_BYTES, 0), None)
    return 0 if first is None else first.token
