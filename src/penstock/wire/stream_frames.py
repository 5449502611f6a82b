"""Frames of the stream wire: a fixed beginning, a head that says what it is, and bytes; checked, and received in place.

Pure: it says where the next bytes should go, and never touches a socket.
``docs/reference/stream-wire.md`` has every byte.
"""

import struct
from collections.abc import Iterator
from typing import Final

import crc32c
import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import RemoteProtocolError
from penstock.wire.layout import ALIGNMENT

__all__ = ["MOST_BODY_BYTES", "MOST_HEAD_BYTES", "PREFIX_BYTES", "Frame", "FrameReader", "frame_bytes"]

MAGIC: Final = b"pst1"
PREFIX_BYTES: Final = 32
MOST_HEAD_BYTES: Final = 1 << 18
MOST_BODY_BYTES: Final = 1 << 30

_PREFIX: Final = struct.Struct("<4sIIQII")
_HEAD_CRC: Final = struct.Struct("<I")
_CHECKED: Final = PREFIX_BYTES - _HEAD_CRC.size
_STAGE_BYTES: Final = 1 << 19
_IN_PLACE_BYTES: Final = 1 << 16
"""Bodies from here on are received where they stay; smaller ones are copied out of what came together with others."""
_NOTHING: Final = np.empty(0, np.uint8)
_NOTHING.flags.writeable = False


class Frame(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One frame as it was received."""

    number: int
    """Of the request it is, or belongs to."""
    head: bytes
    """MessagePack; see ``stream_requests``."""
    body: NDArray[np.uint8] = msgspec.field(default_factory=lambda: _NOTHING)
    """(bytes,), read-only, begins at a multiple of 64."""
    crc: int = 0
    """CRC-32C of the body, which was checked."""


def frame_bytes(number: int, head: bytes, *body: bytes | memoryview) -> bytes:
    """Return what stands before a body: 32 bytes and the head; the body's pieces follow, unchanged.

    Raises
    ------
    RemoteProtocolError
        If head or body are larger than any frame may be.
    """
    nbytes = crc = 0
    for piece in body:
        nbytes += len(piece)
        crc = crc32c.crc32c(piece, crc)
    if len(head) > MOST_HEAD_BYTES or nbytes > MOST_BODY_BYTES:
        raise RemoteProtocolError(
            f"a frame with a head of {len(head)} and a body of {nbytes} bytes; at most {MOST_HEAD_BYTES} and "
            f"{MOST_BODY_BYTES} travel; split the block"
        )
    begin = _PREFIX.pack(MAGIC, len(head), nbytes, number, crc, 0)
    return b"".join((begin, _HEAD_CRC.pack(crc32c.crc32c(head, crc32c.crc32c(begin))), head))


class FrameReader:
    """Makes frames of the bytes of one connection, however they are cut.

    Parameters
    ----------
    most_body_bytes
        Larger bodies are refused; nothing is allocated for them.
    """

    def __init__(self, most_body_bytes: int = MOST_BODY_BYTES) -> None:
        self.most_body_bytes = most_body_bytes
        self._stage = memoryview(bytearray(_STAGE_BYTES))
        self._begin = self._end = 0
        self._body: NDArray[np.uint8] | None = None
        self._filled = 0
        self._open: tuple[int, bytes, int] | None = None

    @property
    def is_between(self) -> bool:
        """Whether nothing of a frame was received that is not whole."""
        return self._body is None and self._begin == self._end

    def space(self) -> memoryview:
        """Return where the next bytes belong; never empty. Tell ``received`` how many came."""
        if self._body is not None:
            return self._body.data[self._filled :]
        if self._begin == self._end:
            self._begin = self._end = 0
        elif self._begin:  # what is there is less than one small frame
            left = self._end - self._begin
            self._stage[:left] = bytes(self._stage[self._begin : self._end])
            self._begin, self._end = 0, left
        return self._stage[self._end :]

    def received(self, nbytes: int) -> Iterator[Frame]:
        """Yield the frames that are whole now. Take all of them before asking for ``space`` again.

        Raises
        ------
        RemoteProtocolError
            At the first bytes that are no frame; nothing that follows can be trusted.
        """
        body = self._body
        if body is not None:
            self._filled += nbytes
            if self._filled == len(body):
                yield self._close(body)
            return
        self._end += nbytes
        while self._body is None and (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        at = self._begin
        there = self._end - at
        if there < PREFIX_BYTES:
            if there and self._stage[at : at + min(there, 4)] != MAGIC[: min(there, 4)]:
                raise RemoteProtocolError("these bytes are no frame: they do not begin with pst1")
            return None
        magic, head, body, number, body_crc, zero = _PREFIX.unpack_from(self._stage, at)
        if magic != MAGIC or zero:
            raise RemoteProtocolError("these bytes are no frame: they do not begin with pst1")
        if head > MOST_HEAD_BYTES or body > self.most_body_bytes:
            raise RemoteProtocolError(
                f"a frame with a head of {head} and a body of {body} bytes; at most {MOST_HEAD_BYTES} and "
                f"{self.most_body_bytes} are taken"
            )
        if there < PREFIX_BYTES + head:
            return None
        text = bytes(self._stage[at + PREFIX_BYTES : at + PREFIX_BYTES + head])
        (head_crc,) = _HEAD_CRC.unpack_from(self._stage, at + _CHECKED)
        if crc32c.crc32c(text, crc32c.crc32c(self._stage[at : at + _CHECKED])) != head_crc:
            raise RemoteProtocolError("the head of a frame is not what was sent: its check sum differs")
        start = at + PREFIX_BYTES + head
        if not body:
            self._begin = start
            return Frame(number, text)
        if self._end - start < body and body < _IN_PLACE_BYTES:
            return None
        return self._take_body(start, body, (number, text, body_crc))

    def _take_body(self, start: int, nbytes: int, opened: tuple[int, bytes, int]) -> Frame | None:
        there = min(self._end - start, nbytes)
        body = _aligned(nbytes)
        body[:there] = np.frombuffer(self._stage[start : start + there], np.uint8)
        self._begin = start + there
        self._open = opened
        if there == nbytes:
            return self._close(body)
        self._body, self._filled = body, there
        return None

    def _close(self, body: NDArray[np.uint8]) -> Frame:
        assert self._open is not None
        number, head, crc = self._open
        self._body = self._open = None
        if crc32c.crc32c(body.data) != crc:
            raise RemoteProtocolError(f"{len(body)} bytes of frame {number} are not what was sent: a check sum differs")
        body.flags.writeable = False
        if body.base is not None:  # the owner too, or a view of it could be made writable again
            body.base.flags.writeable = False
        return Frame(number, head, body, crc)


def _aligned(nbytes: int) -> NDArray[np.uint8]:
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes]
