"""The index of one segment as its readers follow it; the segment itself where that is missing, damaged or too short."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from penstock.streams.directory.file_names import index_name, segment_name
from penstock.streams.directory.own_index import own_index
from penstock.streams.directory.segment_view import SegmentView
from penstock.streams.directory.stream_lock import is_locked
from penstock.streams.segment import (
    RECORD,
    RECORD_BYTES,
    SEGMENT,
    BlockHeader,
    FileHeader,
    find_blocks,
    read_records,
)

__all__ = ["GrowingIndex", "token_of"]


class GrowingIndex:
    """The index of one segment, read as it grows; the segment in its place where there is none or it is damaged."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self._folder = folder
        self._segment = folder / segment_name(number)
        self._path = folder / index_name(number)
        # As texts, too: a path is put together in as much time as the kernel takes, and a group asks for each message.
        self._index_name, self._segment_name = os.fspath(self._path), os.fspath(self._segment)
        self._fd = -1
        self._inode = 0
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
        self._inode = os.fstat(self._fd).st_ino
        header = own_index(self._folder, self.number)
        if header is not None:
            self._is_sound = True
            self._token = header.token

    def more(self, position: int, *, is_full: bool) -> np.ndarray[Any, Any]:  # of RECORD, which NumPy cannot say
        """Return the records that have come since the last time, from a position on.

        Parameters
        ----------
        is_full
            Whether there is a later segment: nobody writes this one any more.
        """
        found = self._stat()
        if found is None or not self._is_sound:
            return self._from_segment(position)
        waiting = found.st_size - self._at
        if waiting < RECORD_BYTES:
            return self._left_behind(position, is_full=is_full)
        data = os.pread(self._fd, waiting - waiting % RECORD_BYTES, self._at)
        records = read_records(data, self._token)
        self._at += len(records) * RECORD_BYTES
        bad = len(data) // RECORD_BYTES - len(records)
        self._take(records)
        end = int(records["position"][-1] + records["rows"][-1]) if len(records) else position
        if bad > 1 or (bad and (is_full or not is_locked(self._folder))):  # it may just be being written
            self._is_sound = False
            records = np.concatenate((records, self._from_segment(end)))
        elif not bad and len(left := self._left_behind(end, is_full=is_full)):
            records = np.concatenate((records, left))
        return records[records["position"] >= position] if len(records) else records

    def _stat(self) -> os.stat_result | None:
        """Return what the index is now; one that was made again, because its writer was killed, is opened."""
        try:
            found = os.stat(self._index_name)  # noqa: PTH116
        except FileNotFoundError:
            return None if self._fd < 0 else os.fstat(self._fd)
        if self._fd < 0 or self._inode != found.st_ino:
            self._open()
        return found

    def _left_behind(self, position: int, *, is_full: bool) -> np.ndarray[Any, Any]:
        """Return the blocks that have no record because their writer was killed before."""
        try:
            length = os.stat(self._segment_name).st_size  # noqa: PTH116
        except FileNotFoundError:
            return np.empty(0, RECORD)
        if length < self._end + RECORD_BYTES or length == self._looked_at:
            return np.empty(0, RECORD)
        if not is_full and is_locked(self._folder):
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
            records = _found_in_segment(view, self._token, self._end, position)
        finally:
            view.close()
        self._take(records)
        return records

    def close(self) -> None:
        """Let go; once more: nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _found_in_segment(view: SegmentView, token: int, at: int, position: int) -> np.ndarray[Any, Any]:
    """Return the records of the blocks of a segment from a place on, made from the segment itself."""
    data = view.bytes()
    token = token or token_of(data)
    found = b"".join(header.encode() for header in find_blocks(data, token, at, position))
    return np.frombuffer(found, RECORD)


def token_of(data: np.ndarray[Any, Any]) -> int:
    """Return a segment's token: from its header, or if that is damaged from its first block; 0 if there is none."""
    header = FileHeader.decode(data[:RECORD_BYTES].tobytes(), SEGMENT)
    if header is not None:
        return header.token
    first = next(find_blocks(data, 0, RECORD_BYTES, 0), None)
    return 0 if first is None else first.token
