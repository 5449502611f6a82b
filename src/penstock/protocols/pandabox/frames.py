"""The rows of a PandABox in binary frames, decoded by whole blocks.

A frame has no checksum. So a length that can be none is refused, and what follows is looked through for the next frame,
the end of the arm or another header; rows are taken only from a frame behind which the stream goes on as it must.
"""

import re
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NoReturn

import numpy as np

from penstock.core.block import Block, unnumbered_block
from penstock.core.decoder import Decoder, Traits
from penstock.core.message import Message
from penstock.errors import RemoteProtocolError
from penstock.protocols.pandabox.header import MAX_LINE, Arm, HeaderReader, end_message, line_text

__all__ = ["PandaboxFramedDecoder", "encode_frame", "rows_block"]

MAX_FRAME = 16 << 20
MAX_END = 200
"""Bytes of the line that ends an arm."""
_FRAME, _END = b"BIN ", b"END "
_LENGTH = Struct("<I")
_PREFIX = len(_FRAME) + _LENGTH.size
_HEADER = re.compile(rb"(?:\A|\n)(?=(?:arm_time|missed): )")
_BEGINS = (b"\narm_time: ", b"\nmissed: ")
_END_LINE = re.compile(rb"END \d{1,20}[ \w]{0,60}\n")
_NEARLY = rb"[\s\S]IN |B[\s\S]N |BI[\s\S] |BIN[\s\S]"
"""The beginning of a frame, or what was one before a byte of it was spoilt."""
_WAY = re.compile(rb"(?=(?:" + _NEARLY + rb")[\s\S]{4}|" + _END_LINE.pattern + rb")|" + _HEADER.pattern)
_KEPT = 100
"""Bytes at the end of what was looked through in vain, in which the beginning of something may stand."""

Part = bytes | memoryview


class PandaboxFramedDecoder(Decoder):
    """Decode the byte stream, wherever it is cut.

    Messages are those of `PandaboxDecoder`. All rows that lie ready make one block.
    """

    traits = Traits(clock="arm_time + PCAP.TS_TRIG", socket="tcp")
    is_byte_stream = True
    gives_blocks = True

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: HeaderReader | None = None
        self._arm: Arm | None = None
        self._is_skipping = False
        """A line that is too long has been reported, and its end is awaited."""
        self._is_astray = False
        """What stands here has been reported, and what follows is looked through for something that can be read."""

    def greeting(self) -> bytes:
        """Return what asks the box for scaled values in binary frames."""
        return b"FRAMED SCALED\n"

    def feed(self, parts: Sequence[Part], received_ns: int) -> Iterator[Message]:
        """Decode what is whole by now; see the class."""
        for given in self.feed_blocks(parts, received_ns):
            if isinstance(given, Block):
                yield from given.messages()
            else:
                yield given

    def feed_blocks(self, parts: Sequence[Part], received_ns: int) -> Iterator[Message | Block]:
        """Decode what is whole by now, rows as one block; see the class."""
        for part in parts:
            self._buffer += part
        is_going_on = True
        while is_going_on:
            if self._is_astray:
                is_going_on = self._find_way()
            elif self._arm is None:
                line = self._take_line()
                is_going_on = line is not None
                if line is not None:
                    yield from self._line(line, received_ns)
            else:
                if rows := self._take_rows(self._arm):
                    yield rows_block(self._arm, rows, received_ns)
                is_going_on = not self._is_awaiting(self._arm)
                if is_going_on:
                    yield self._end(self._arm, received_ns)

    def finish(self) -> Iterator[Message]:
        """Report a line or an arm that is not whole; see the class."""
        is_whole = not self._buffer and self._header is None and self._arm is None
        self._buffer.clear()
        self._header, self._arm, self._is_astray = None, None, False
        if not is_whole:
            raise RemoteProtocolError("the connection ended in the middle of an arm: its END line did not come")
        return iter(())

    # Between arms there are lines.

    def _take_line(self) -> bytes | None:
        """Return the next line that is whole, ``None`` if there is none."""
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            was_skipping, self._is_skipping = self._is_skipping, False
            if not was_skipping:
                return line
        if len(self._buffer) > MAX_LINE:
            self._buffer.clear()
            was_skipping, self._is_skipping = self._is_skipping, True
            if not was_skipping:
                raise RemoteProtocolError(f"a line of more than {MAX_LINE} bytes")
        return None

    def _line(self, line: bytes, received_ns: int) -> Iterator[Message]:
        header = self._header
        if header is None:
            if line.strip() not in (b"", b"OK"):
                self._header = HeaderReader(line)
            return
        try:
            arm = header.read(line, "Framed")
        finally:
            if header.is_over:
                self._header, self._is_astray = None, True  # unless it was right: rows follow that nobody can read
        if arm is not None:
            self._arm, self._is_astray = arm, False
            yield arm.start(received_ns)

    # In an arm there are frames.

    def _take_rows(self, arm: Arm) -> bytes:
        """Return the rows of the whole frames that lie ready and follow each other."""
        buffer, at, taken = self._buffer, 0, []
        while buffer.startswith(_FRAME, at) and len(buffer) >= at + _PREFIX:
            (length,) = _LENGTH.unpack_from(buffer, at + len(_FRAME))
            end = at + length
            if not _is_length(length, arm) or end > len(buffer) or not _may_begin(buffer, end, wrong_bytes=1):
                break
            taken.append(bytes(buffer[at + _PREFIX : end]))
            at = end
        del buffer[:at]
        return b"".join(taken)

    def _is_awaiting(self, arm: Arm) -> bool:
        """Return whether what lies there may be right, and is not whole."""
        buffer = self._buffer
        if buffer.startswith(_FRAME) and len(buffer) >= _PREFIX:
            (length,) = _LENGTH.unpack_from(buffer, len(_FRAME))
            # Another header in it says that its length was wrong; no row has those bytes by chance.
            is_in_it = any(buffer.find(begin, _PREFIX) >= 0 for begin in _BEGINS)
            return _is_length(length, arm) and length > len(buffer) and not is_in_it
        if buffer.startswith(_END):
            return b"\n" not in buffer and len(buffer) <= MAX_END
        return len(buffer) < _PREFIX and _may_begin(buffer, 0)

    def _end(self, arm: Arm, received_ns: int) -> Message:
        """Read the end of the arm; if it is none, go astray."""
        found = _END_LINE.match(self._buffer)
        if found is None:
            self._stray()
        line = bytes(found.group())
        del found, self._buffer[: len(line)]
        self._arm = None
        return end_message(line_text(line), arm.rows, received_ns)

    def _stray(self) -> NoReturn:
        found = bytes(self._buffer[:20])
        del self._buffer[:1]
        self._is_astray = True
        raise RemoteProtocolError(f"{found!r} where a frame of whole rows or the END line was due")

    def _find_way(self) -> bool:
        """Drop bytes up to where a frame or the end of the arm or a header begins; return whether there is one.

        Raises
        ------
        RemoteProtocolError
            If it comes upon another frame that is spoilt, or upon a header.
        """
        buffer, arm = self._buffer, self._arm
        for found in (_HEADER if arm is None else _WAY).finditer(bytes(buffer)):
            at = found.end()
            if arm is None or buffer.startswith((b"arm_time", b"missed", _END), at):
                break
            is_frame = buffer.startswith(_FRAME, at)
            is_length = _is_length(_LENGTH.unpack_from(buffer, at + len(_FRAME))[0], arm)
            if is_frame and is_length:
                break
            if is_frame or is_length:
                del buffer[:at]
                self._stray()
        else:
            del buffer[:-_KEPT]
            return False
        del buffer[:at]
        self._is_astray = False
        if arm is not None and not buffer.startswith((_FRAME, _END)):
            self._arm = None
            raise RemoteProtocolError("a header where rows or the END line of the arm before were due; its end is lost")
        return True


def rows_block(arm: Arm, rows: bytes, received_ns: int) -> Block:
    """Return rows of an arm as a block, and count them."""
    values = np.frombuffer(rows, arm.dtype)
    arm.rows += len(values)
    return unnumbered_block(values, arm.times(values, received_ns))


def _is_length(length: int, arm: Arm) -> bool:
    return _PREFIX < length <= MAX_FRAME and (length - _PREFIX) % arm.dtype.itemsize == 0


def _may_begin(buffer: bytearray, at: int, wrong_bytes: int = 0) -> bool:
    """Return whether a frame or an end may begin at a place, as far as can be seen, or one with so many wrong bytes."""
    following = bytes(buffer[at : at + 4])
    if _FRAME.startswith(following):
        return True
    return any(sum(a != b for a, b in zip(following, due, strict=False)) <= wrong_bytes for due in (_FRAME, _END))


def encode_frame(*rows: bytes) -> list[bytes]:
    """Return a frame of some rows, its first 8 bytes apart."""
    data = b"".join(rows)
    return [_FRAME + _LENGTH.pack(_PREFIX + len(data)), data]
