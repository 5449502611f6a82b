"""The segment that a writer appends to, and its index: first the block, then the record that makes it visible."""

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import StoreFullError, StreamError
from penstock.streams.directory.aligned_buffer import AlignedBuffer
from penstock.streams.directory.cached_tail import CachedTail
from penstock.streams.directory.file_names import index_name, replace_file, segment_name
from penstock.streams.segment import INDEX, PAGE, RECORD_BYTES, SEGMENT, BlockHeader, FileHeader, Packed
from penstock.wire.layout import ALIGNMENT

__all__ = ["FULL", "NEVER", "GrowingSegment", "disk_errors"]

NEVER: Final = 1 << 62
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED: Final = (errno.EACCES, errno.EIO, errno.EPERM, errno.EROFS)
_MOST_PIECES: Final = 1000
"""That one call writes; Linux takes 1024 (``IOV_MAX``)."""
_NOTHING: Final = bytes(RECORD_BYTES)


class GrowingSegment:
    """A new segment, written by this process from its first byte on.

    Nothing is ever written before ``end``, so that what readers have mapped does not change.

    Parameters
    ----------
    buffer
        For putting together what goes past the page cache.
    tail
        What is to be told of large blocks that go through it.
    direct_bytes
        How large a block must be for that.

    Raises
    ------
    StoreFullError
        If there is no room for it.
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        now_ns: int,
        *,
        buffer: AlignedBuffer,
        tail: CachedTail,
        direct_bytes: int = NEVER,
    ) -> None:
        self.folder = folder
        self.number = number
        self.end = RECORD_BYTES
        """Where the next block may begin."""
        self._index_end = RECORD_BYTES
        self._segment_fd = self._index_fd = self._direct_fd = -1
        self._path = folder / segment_name(number)
        self._buffer = buffer
        self._tail = tail
        self._direct_bytes = direct_bytes
        header = FileHeader(token=secrets.randbits(64) or 1, number=number, created_ns=now_ns)
        self.token = header.token
        try:
            with disk_errors(folder):
                # The index first, and as a whole: a segment without one has lost it, and would be looked through.
                replace_file(folder / index_name(number), header.encode(INDEX), sync=False)
                self._index_fd = os.open(folder / index_name(number), os.O_WRONLY | os.O_CLOEXEC)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._segment_fd = os.open(self._path, flags, 0o666)
                _write(self._segment_fd, [header.encode(SEGMENT)], 0)
        except BaseException:
            self.close()
            for name in (segment_name(number), index_name(number)):
                (folder / name).unlink(missing_ok=True)
            raise

    @property
    def is_empty(self) -> bool:
        """Whether no block is in it yet."""
        return self.end == RECORD_BYTES

    def append(self, packed: Packed, position: int, now_ns: int, *, is_followed: bool = False) -> bytes:
        """Write a block, and then its record, which is returned.

        Parameters
        ----------
        is_followed
            Whether somebody will want it at once: then it goes through the page cache, however large it is.

        Raises
        ------
        StoreFullError
            If there is no room; readers see nothing of it, and the next one may be appended.
        """
        with disk_errors(self.folder):
            is_direct = packed.nbytes >= self._direct_bytes and not is_followed
            header = self._append_direct(packed, position, now_ns) if is_direct else None
            if header is None:
                header = packed.header(
                    token=self.token, at=self.end, position=position, crc=packed.crc(), now_ns=now_ns
                )
                _write(self._segment_fd, [header.encode(), packed.head, *_views(packed.pieces)], header.at)
                end = -(-header.end // ALIGNMENT) * ALIGNMENT
                if is_followed:
                    self._tail.add(self._segment_fd, header.at, header.end)
            else:
                end = -(-header.end // PAGE) * PAGE
            record = header.encode()
            try:
                _write(self._index_fd, [record], self._index_end)
            except OSError:
                # So that nobody who looks through the segment takes for written what the caller is told was not.
                with suppress(OSError):
                    _write(self._segment_fd, [_NOTHING], header.at)
                raise
        self.end = end
        self._index_end += RECORD_BYTES
        return record

    def _append_direct(self, packed: Packed, position: int, now_ns: int) -> BlockHeader | None:
        """Write a block past the page cache; ``None`` if this file system does not do so after all."""
        if self._direct_fd < 0:
            self._direct_fd = os.open(self._path, os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
        data, crc = self._buffer.fill(packed)
        at = -(-self.end // PAGE) * PAGE
        header = packed.header(token=self.token, at=at, position=position, crc=crc, now_ns=now_ns)
        data[:RECORD_BYTES] = np.frombuffer(header.encode(), np.uint8)
        try:
            _write(self._direct_fd, [data.data], at)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._direct_bytes = NEVER
            return None
        return header

    def sync(self, *, is_last: bool = True) -> None:
        """Wait until it survives a loss of power.

        Parameters
        ----------
        is_last
            Whether no later segment was begun. If so its index need not survive: after a loss of power what lies behind
            the last record is looked through anyway, and a second file costs as much again as the first.

        Raises
        ------
        OSError
            If it cannot; what of it survives is not known then, also if a later call succeeds.
        """
        os.fdatasync(self._segment_fd)
        if not is_last:
            os.fdatasync(self._index_fd)

    def close(self) -> None:
        """Let go; once more: nothing."""
        for fd in (self._segment_fd, self._index_fd, self._direct_fd):
            if fd >= 0:
                os.close(fd)
        self._segment_fd = self._index_fd = self._direct_fd = -1


def _views(pieces: Sequence[NDArray[np.uint8]]) -> list[memoryview]:
    return [piece.data for piece in pieces]


def _write(fd: int, pieces: Sequence[bytes | memoryview], at: int) -> None:
    """Write all of some pieces, one after the other."""
    if len(pieces) > _MOST_PIECES:
        pieces = [b"".join(bytes(piece) for piece in pieces)]
    wanted = sum(map(len, pieces))
    done = os.pwritev(fd, pieces, at)
    if done == wanted:
        return
    for piece in pieces:  # a signal, or the room there was is used up: the next call says which
        skip = min(done, len(piece))
        done -= skip
        at += skip
        left = memoryview(piece)[skip:]
        while left:
            some = os.pwrite(fd, left, at)
            left, at = left[some:], at + some


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Make a full disk, a used up quota and a file that became too large one error, and a disk that fails another."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StoreFullError(
                f"{folder}: {error.strerror}; nothing was written, go on when there is room"
            ) from error
        if error.errno in REFUSED:
            raise StreamError(f"{folder}: it cannot be written: {error.strerror}") from error
        raise
