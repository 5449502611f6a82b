"""Appends of one stream that wait on disk for a server: frames as they travel, one after the other.

A frame that was torn when its process or machine died is cut off: who appended it was told nothing.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, RemoteProtocolError, StoreFullError, StreamError
from penstock.wire import stream_requests as say
from penstock.wire.stream_frames import PREFIX_BYTES, Frame, FrameReader, frame_bytes

__all__ = ["SpoolFile", "spooled_streams"]

_SUFFIX: Final = ".spool"
_REFUSED: Final = ".refused"


def spooled_streams(folder: Path) -> list[StreamAddress]:
    """List the streams of which something waits in a folder."""
    files = [file for file in sorted(folder.glob(f"*/*/*{_SUFFIX}")) if file.stat().st_size]
    return [
        StreamAddress(*map(unquote, (file.parts[-3], file.parts[-2], file.name.removesuffix(_SUFFIX))))
        for file in files
    ]


class SpoolFile:
    """What waits of one stream; used by one thread at a time.

    Parameters
    ----------
    folder
        Made if it is not there.
    most_bytes
        How large it may become.

    Raises
    ------
    ConflictError
        If another process has it.
    StreamError
        If it cannot be opened.
    """

    def __init__(self, folder: Path, address: StreamAddress, most_bytes: int) -> None:
        beamtime, source, stream = address.folders
        self.path = folder / beamtime / source / (stream + _SUFFIX)
        self._address, self._most_bytes = address, most_bytes
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StreamError(f"{address} cannot be spooled in {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            raise ConflictError(f"{address} is spooled by another process, in {self.path}") from error
        self.nbytes = os.fstat(self._fd).st_size
        """Of all that waits."""
        whole = 0
        for _, whole in self.frames():  # noqa: B007  # the last of them
            pass
        self.nbytes = whole
        os.ftruncate(self._fd, whole)

    def append(self, request: say.Append | say.EndStream, body: bytes | memoryview, *, synced: bool) -> None:
        """Add one; when this returns, it survives the end of the process, and if ``synced`` a loss of power.

        Raises
        ------
        StoreFullError
            If there is no room; nothing of it is added.
        """
        begin = frame_bytes(0, say.encode_head(request), body)
        nbytes = len(begin) + len(body)
        if self.nbytes + nbytes > self._most_bytes:
            raise StoreFullError(
                f"{self._address}: the server is away, and {self.path} may take {self._most_bytes} bytes"
            )
        try:
            _write_all(self._fd, [memoryview(begin), memoryview(body)], self.nbytes)
            if synced:
                os.fdatasync(self._fd)
        except OSError as error:
            os.ftruncate(self._fd, self.nbytes)
            raise StoreFullError(f"{self._address}: {self.path} cannot be written: {error.strerror}") from error
        self.nbytes += nbytes

    def frames(self, at: int = 0) -> Iterator[tuple[Frame, int]]:
        """Yield what waits from a place on, in the order in which it was appended, each with the place behind it.

        It may be appended to by another thread meanwhile.
        """
        reader, behind = FrameReader(), at
        while at < self.nbytes:
            space = reader.space()
            n = os.preadv(self._fd, [space[: self.nbytes - at]], at)
            at += n
            try:
                for frame in reader.received(n):
                    behind += PREFIX_BYTES + len(frame.head) + len(frame.body)
                    yield frame, behind
            except RemoteProtocolError:
                return

    def refuse(self, frame: Frame) -> None:
        """Put one aside that the server will not take, in a file beside it."""
        with self.path.with_suffix(_REFUSED).open("ab") as opened:
            opened.write(frame_bytes(frame.number, frame.head, frame.body.data) + frame.body.tobytes())

    def clear(self) -> None:
        """Forget all of it: it has arrived."""
        os.ftruncate(self._fd, 0)
        self.nbytes = 0

    def sync(self) -> None:
        """Wait until all of it survives a loss of power."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Let go of it; an empty one is removed."""
        if not self.nbytes:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)


def _write_all(fd: int, pieces: list[memoryview], at: int) -> None:
    for piece in pieces:
        while len(piece):
            n = os.pwrite(fd, piece, at)
            piece, at = piece[n:], at + n
