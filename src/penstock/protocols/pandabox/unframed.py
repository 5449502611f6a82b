"""The rows of a PandABox as nothing but bytes, one arm a connection, decoded by whole blocks."""

from collections.abc import Iterator, Sequence

from penstock.core.block import Block
from penstock.core.decoder import Decoder, Traits
from penstock.core.message import Kind, Message
from penstock.errors import RemoteProtocolError
from penstock.protocols.pandabox.frames import rows_block
from penstock.protocols.pandabox.header import MAX_LINE, Arm, HeaderReader

__all__ = ["PandaboxUnframedDecoder"]


class PandaboxUnframedDecoder(Decoder):
    """Decode the byte stream, wherever it is cut.

    Messages are those of `PandaboxDecoder`, but the box cannot say how an arm ended: it closes the connection, and the
    end's ``samples`` are those that came, with no ``reason``. A connection that broke looks the same. A wrong byte of
    the header costs the arm, one of a row is a wrong value: where that may be, ask for frames.
    """

    traits = Traits(clock="arm_time + PCAP.TS_TRIG", socket="tcp")
    is_byte_stream = True
    gives_blocks = True

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: HeaderReader | None = None
        self._arm: Arm | None = None
        self._is_refused = False
        self._received_ns = 0

    def greeting(self) -> bytes:
        """Return what asks the box for one arm of scaled values, and nothing behind its rows."""
        return b"UNFRAMED SCALED NO_STATUS ONE_SHOT\n"

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode what is whole by now; see the class."""
        for given in self.feed_blocks(parts, received_ns):
            if isinstance(given, Block):
                yield from given.messages()
            else:
                yield given

    def feed_blocks(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message | Block]:
        """Decode what is whole by now, rows as one block; see the class."""
        self._received_ns = received_ns
        for part in parts:
            self._buffer += part
        while self._arm is None and not self._is_refused and (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            yield from self._line(line, received_ns)
        if self._is_refused:
            self._buffer.clear()
        elif self._arm is None:
            if len(self._buffer) > MAX_LINE:
                self._is_refused = True
                raise RemoteProtocolError(f"a line of more than {MAX_LINE} bytes")
        elif whole := len(self._buffer) // self._arm.dtype.itemsize * self._arm.dtype.itemsize:
            rows = bytes(self._buffer[:whole])
            del self._buffer[:whole]
            yield rows_block(self._arm, rows, received_ns)

    def finish(self) -> Iterator[Message]:
        """Give the end; report a header or a row that is not whole, see the class."""
        arm, self._arm = self._arm, None
        left = len(self._buffer)
        self._buffer.clear()
        if arm is not None:
            metadata = {"samples": arm.rows, "reason": "", "received": arm.rows}
            yield Message(0, None, self._received_ns, metadata, kind=Kind.END)
            if left:
                raise RemoteProtocolError(f"the connection ended in the middle of a row, after {left} bytes of it")
        elif left or self._header is not None:
            raise RemoteProtocolError("the connection ended in the middle of a header")

    def _line(self, line: bytes, received_ns: int) -> Iterator[Message]:
        try:
            if self._header is None:
                self._header = HeaderReader(line) if line.strip() else None
                return
            self._arm = self._header.read(line, "Unframed")
        except RemoteProtocolError:
            self._is_refused, self._header = True, None
            raise
        if self._arm is not None:
            self._header = None
            yield self._arm.start(received_ns)
