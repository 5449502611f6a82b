"""The rows of a PandABox in ASCII: a line each, which carries no number."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from penstock.core.decoder import Decoder, Traits
from penstock.core.message import NO_METADATA, Message
from penstock.errors import RemoteProtocolError
from penstock.protocols.pandabox.header import DTYPES, MAX_LINE, Arm, HeaderReader, end_message, line_text

__all__ = ["PandaboxDecoder", "encode_row"]


class _Rows:
    """The rows of one arm."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self._readers = [_reader(field.type) for field in arm.fields]

    def row(self, line: bytes) -> tuple[float, ...]:
        words = line.split()
        if len(words) != len(self._readers):
            raise RemoteProtocolError(f"a row of {len(words)} values for {len(self._readers)} fields: {line[:80]!r}")
        if b"_" in line:  # Python's numbers may have underscores, the box's may not
            raise RemoteProtocolError(f"a row with something that is no number: {line[:80]!r}")
        try:
            return tuple([read(word) for read, word in zip(self._readers, words, strict=True)])
        except ValueError as error:
            raise RemoteProtocolError(f"a row with a wrong value ({error}): {line[:80]!r}") from error

    def messages(self, rows: list[tuple[float, ...]], received_ns: int) -> Iterator[Message]:
        values = np.array(rows, self.arm.dtype)
        values.flags.writeable = False
        self.arm.rows += len(rows)
        for scalar, timestamp_ns in zip(values, self.arm.times(values, received_ns).tolist(), strict=True):
            yield Message(0, None, timestamp_ns, NO_METADATA, scalar)


class PandaboxDecoder(Decoder):
    """Decode the byte stream, wherever it is cut.

    A row is one message: ``array`` is one record (shape ()) with a field a column, named as in ``PCAP.TS_TRIG.Value``;
    there is no ``key``. Its time is the arm's plus ``PCAP.TS_TRIG``, where both are given, else that of reception. The
    start's ``metadata`` is the header, with ``fields`` as a list of dictionaries; the end's has ``samples`` and
    ``reason`` as the box says them, and ``received``, the rows that came.
    """

    traits = Traits(clock="arm_time + PCAP.TS_TRIG", socket="tcp")
    is_byte_stream = True

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: deque[bytes] = deque()
        self._is_skipping = False
        self._header: HeaderReader | None = None
        self._rows: _Rows | None = None

    def greeting(self) -> bytes:
        """Return what asks the box for ASCII."""
        return b"\n"

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode the lines that are whole by now; see the class."""
        for part in parts:
            self._split(part)
        while self._lines:
            rows = self._take_rows()
            if rows and self._rows is not None:
                yield from self._rows.messages(rows, received_ns)
            if self._lines:
                yield from self._line(self._lines.popleft(), received_ns)

    def finish(self) -> Iterator[Message]:
        """Report a line or an arm that is not whole; see the class."""
        is_whole = not self._buffer and self._header is None and self._rows is None
        self._buffer.clear()
        self._header, self._rows = None, None
        if not is_whole:
            raise RemoteProtocolError("the connection ended in the middle of an arm: its END line did not come")
        return iter(())

    def _split(self, part: bytes | memoryview) -> None:
        self._buffer += part
        *lines, self._buffer = self._buffer.split(b"\n")
        if self._is_skipping and lines:
            lines, self._is_skipping = lines[1:], False
        self._lines.extend([bytes(line) for line in lines])
        if len(self._buffer) > MAX_LINE:
            if not self._is_skipping:
                self._lines.append(bytes(self._buffer))
            self._is_skipping = True
            self._buffer.clear()

    def _take_rows(self) -> list[tuple[float, ...]]:
        """Take the good rows there are, up to the first line that is something else."""
        rows: list[tuple[float, ...]] = []
        while self._rows is not None and self._lines and self._lines[0][:1] == b" ":
            try:
                rows.append(self._rows.row(self._lines[0]))
            except RemoteProtocolError:
                break  # _line meets it again and says what is wrong
            self._lines.popleft()
        return rows

    def _line(self, line: bytes, received_ns: int) -> Iterator[Message]:
        if len(line) > MAX_LINE:
            raise RemoteProtocolError(f"a line of more than {MAX_LINE} bytes")
        if self._header is not None:
            yield from self._header_line(line, self._header, received_ns)
        elif line[:1] == b" ":
            if self._rows is None:
                raise RemoteProtocolError(f"a row without a header that could be read: {line[:80]!r}")
            self._rows.row(line)
        elif line[:4] == b"END " and self._rows is not None:
            rows, self._rows = self._rows, None
            yield end_message(line_text(line), rows.arm.rows, received_ns)
        elif line.strip() not in (b"", b"OK"):
            self._begin(line)

    def _begin(self, line: bytes) -> None:
        header = HeaderReader(line)
        is_lost, self._rows = self._rows is not None, None
        self._header = header
        if is_lost:
            raise RemoteProtocolError("a header where rows or the END line of the arm before were due; its end is lost")

    def _header_line(self, line: bytes, header: HeaderReader, received_ns: int) -> Iterator[Message]:
        try:
            arm = header.read(line, "ASCII")
        finally:
            if header.is_over:
                self._header = None
        if arm is not None:
            self._rows = _Rows(arm)
            yield arm.start(received_ns)


def _reader(kind: str) -> Callable[[bytes], float]:
    if kind == "double":
        return float
    limits = np.iinfo(DTYPES[kind])
    low, high = int(limits.min), int(limits.max)

    def read(word: bytes) -> int:
        value = int(word)
        if not low <= value <= high:
            raise ValueError(f"{value} is no {kind}")
        return value

    return read


def encode_row(*values: float) -> bytes:
    """Return one row; integers are written as such."""
    return "".join(f" {v}" if isinstance(v, int) else f" {v:.10g}" for v in values).encode("ascii") + b"\n"
