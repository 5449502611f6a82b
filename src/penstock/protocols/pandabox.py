"""PandABox position capture over TCP, port 8888, in ASCII.

The client sends a newline, the server answers ``OK`` and then, each time the box is armed::

    arm_time: 2023-12-19T08:07:41.163Z
    missed: 0
    process: Scaled
    format: ASCII
    fields:
     PCAP.TS_TRIG double Value scale: 8e-09 offset: 0 units: s
     COUNTER1.OUT double Mean scale: 1 offset: 0 units:

     5.6e-08 1
    END 1 Disarmed

One start, a message a row, one end; arms follow each other on one connection. Rows carry no number, but the end says
how many there were.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from penstock.core.decoder import Decoder, Traits
from penstock.core.message import NO_METADATA, Kind, Message
from penstock.core.timestamp import NS_PER_S, Timestamp
from penstock.errors import RemoteProtocolError

__all__ = ["Field", "PandaboxDecoder", "encode_end", "encode_row", "encode_start"]

MAX_LINE = 64 << 10
MAX_FIELDS = 1000
_DTYPES = {"uint32": "u4", "int32": "i4", "uint64": "u8", "int64": "i8", "double": "f8"}
_TIME = "PCAP.TS_TRIG.Value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One captured column."""

    name: str
    """Such as ``PCAP.TS_TRIG``."""
    type: str
    """``double``, ``uint32``, …"""
    capture: str
    """``Value``, ``Min``, ``Max``, ``Mean``, …"""
    scale: float = 1.0
    offset: float = 0.0
    units: str = ""

    @property
    def column(self) -> str:
        """Its name in the rows' dtype: ``PCAP.TS_TRIG.Value``."""
        return f"{self.name}.{self.capture}"


class _Arm:
    """What the header of one arm says of its rows."""

    def __init__(self, words: Mapping[str, str], fields: Sequence[Field]) -> None:
        if not fields:
            raise RemoteProtocolError("the header names no fields")
        if words.get("format", "ASCII") != "ASCII":
            raise RemoteProtocolError(f"the header's format is {words['format']!r}; the box was asked for ASCII")
        names = [field.column for field in fields]
        if len(set(names)) != len(names):
            raise RemoteProtocolError("the header names a field twice")
        self.dtype = np.dtype([(field.column, _DTYPES[field.type]) for field in fields])
        self.readers = [_reader(field.type) for field in fields]
        self.arm_ns = _instant(words["arm_time"]) if "arm_time" in words else None
        self.is_timed = self.arm_ns is not None and _TIME in names
        is_scaled = words.get("process", "Scaled") == "Scaled"
        self.tick_s = 1.0 if is_scaled or not self.is_timed else fields[names.index(_TIME)].scale
        self.rows = 0

    def row(self, line: bytes) -> tuple[float, ...]:
        words = line.split()
        if len(words) != len(self.readers):
            raise RemoteProtocolError(f"a row of {len(words)} values for {len(self.readers)} fields: {line[:80]!r}")
        if b"_" in line:  # Python's numbers may have underscores, the box's may not
            raise RemoteProtocolError(f"a row with something that is no number: {line[:80]!r}")
        try:
            return tuple([read(word) for read, word in zip(self.readers, words, strict=True)])
        except ValueError as error:
            raise RemoteProtocolError(f"a row with a wrong value ({error}): {line[:80]!r}") from error

    def messages(self, rows: list[tuple[float, ...]], received_ns: int) -> Iterator[Message]:
        values = np.array(rows, self.dtype)
        values.flags.writeable = False
        self.rows += len(rows)
        for scalar, timestamp_ns in zip(values, self._times(values, received_ns), strict=True):
            yield Message(0, None, timestamp_ns, NO_METADATA, scalar)

    def _times(self, values: Any, received_ns: int) -> list[int]:
        if self.arm_ns is None or not self.is_timed:
            return [received_ns] * len(values)
        seconds = np.nan_to_num(values[_TIME].astype(float) * self.tick_s).clip(0, _MAX_S)
        times: list[int] = (np.rint(seconds * NS_PER_S).astype(np.int64) + self.arm_ns).tolist()
        return times


_MAX_S = 10.0 * 365 * 86400  # no arm lasts ten years; more would not fit in 64 bit nanoseconds


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
        self._words: dict[str, str] | None = None
        self._fields: list[Field] | None = None
        self._is_refused = False
        """The header being read has already been reported as wrong."""
        self._arm: _Arm | None = None

    def greeting(self) -> bytes:
        """Return what asks the box for ASCII."""
        return b"\n"

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode the lines that are whole by now; see the class."""
        for part in parts:
            self._split(part)
        while self._lines:
            rows = self._take_rows()
            if rows and self._arm is not None:
                yield from self._arm.messages(rows, received_ns)
            if self._lines:
                yield from self._line(self._lines.popleft(), received_ns)

    def finish(self) -> Iterator[Message]:
        """Report a line or an arm that is not whole; see the class."""
        is_whole = not self._buffer and self._words is None and self._arm is None
        self._buffer.clear()
        self._words, self._arm = None, None
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
        while self._arm is not None and self._lines and self._lines[0][:1] == b" ":
            try:
                rows.append(self._arm.row(self._lines[0]))
            except RemoteProtocolError:
                break  # _line meets it again and says what is wrong
            self._lines.popleft()
        return rows

    def _line(self, line: bytes, received_ns: int) -> Iterator[Message]:
        if len(line) > MAX_LINE:
            raise RemoteProtocolError(f"a line of more than {MAX_LINE} bytes")
        if self._words is not None:
            yield from self._header_line(_text(line), received_ns)
        elif line[:1] == b" ":
            if self._arm is None:
                raise RemoteProtocolError(f"a row without a header that could be read: {line[:80]!r}")
            self._arm.row(line)
        elif line[:4] == b"END " and self._arm is not None:
            arm, self._arm = self._arm, None
            yield Message(0, None, received_ns, _end(_text(line), arm.rows), kind=Kind.END)
        elif line.strip() not in (b"", b"OK"):
            self._begin(_text(line))

    def _begin(self, line: str) -> None:
        key, value = _word(line)
        is_lost, self._arm = self._arm is not None, None
        self._words, self._fields, self._is_refused = {key: value}, None, False
        if is_lost:
            raise RemoteProtocolError("a header where rows or the END line of the arm before were due; its end is lost")

    def _header_line(self, line: str, received_ns: int) -> Iterator[Message]:
        words, fields = self._words or {}, self._fields
        try:
            if not line.strip():
                self._words, self._fields = None, None
                if not self._is_refused:
                    yield self._start(words, fields or [], received_ns)
            elif fields is not None:
                fields.append(_field(line))
                if len(fields) > MAX_FIELDS:
                    raise RemoteProtocolError(f"the header names more than {MAX_FIELDS} fields")
            elif line.strip() == "fields:":
                self._fields = []
            else:
                key, words[key] = _word(line)
        except RemoteProtocolError:
            was_refused, self._is_refused = self._is_refused, True
            if not was_refused:
                raise

    def _start(self, words: dict[str, str], fields: list[Field], received_ns: int) -> Message:
        arm = _Arm(words, fields)
        self._arm = arm
        metadata: dict[str, Any] = {**words, "fields": [asdict(field) for field in fields]}
        return Message(0, None, received_ns if arm.arm_ns is None else arm.arm_ns, metadata, kind=Kind.START)


def _text(line: bytes) -> str:
    try:
        return line.decode("ascii")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"a line that is not ASCII: {line[:80]!r}") from error


def _word(line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon or not key.isidentifier():
        raise RemoteProtocolError(f"a line that belongs to no header and is no row: {line[:80]!r}")
    return key, value.strip()


def _field(line: str) -> Field:
    name, kind, capture, *rest = [*line.split(), "", "", ""][: max(3, len(line.split()))]
    options = dict(zip(rest[::2], [*rest[1::2], ""], strict=False))
    if not line.startswith(" ") or kind not in _DTYPES or not capture:
        raise RemoteProtocolError(f"a field that is not ' NAME TYPE CAPTURE …' of a known type: {line[:80]!r}")
    try:
        scale, offset = float(options.get("scale:", "1")), float(options.get("offset:", "0"))
    except ValueError as error:
        raise RemoteProtocolError(f"a field with a wrong scale or offset: {line[:80]!r}") from error
    return Field(name=name, type=kind, capture=capture, scale=scale, offset=offset, units=options.get("units:", ""))


def _instant(text: str) -> int:
    try:
        return Timestamp.from_iso(text).ns
    except (ValueError, OverflowError) as error:
        raise RemoteProtocolError(f"arm_time {text[:40]!r} is no time such as 2023-12-19T08:07:41.163Z") from error


def _end(line: str, received: int) -> dict[str, Any]:
    _, samples, *reason = [*line.split(), ""]
    if not samples.isdecimal() or len(samples) > 20:
        raise RemoteProtocolError(f"an end without the number of samples: {line[:80]!r}")
    return {"samples": int(samples), "reason": " ".join(reason).strip(), "received": received}


def _reader(kind: str) -> Callable[[bytes], float]:
    if kind == "double":
        return float
    limits = np.iinfo(_DTYPES[kind])
    low, high = int(limits.min), int(limits.max)

    def read(word: bytes) -> int:
        value = int(word)
        if not low <= value <= high:
            raise ValueError(f"{value} is no {kind}")
        return value

    return read


def encode_start(fields: Sequence[Field], *, arm_time: str = "2026-11-20T12:00:00.000Z", missed: int = 0) -> bytes:
    """Return the header of an arm."""
    words = [f"arm_time: {arm_time}", f"missed: {missed}", "process: Scaled", "format: ASCII", "fields:"]
    columns = [
        f" {f.name} {f.type} {f.capture} scale: {f.scale:.12g} offset: {f.offset:.12g} units: {f.units}".rstrip()
        if f.type == "double"
        else f" {f.name} {f.type} {f.capture}"
        for f in fields
    ]
    return "\n".join([*words, *columns, "", ""]).encode("ascii")


def encode_row(*values: float) -> bytes:
    """Return one row; integers are written as such."""
    return "".join(f" {v}" if isinstance(v, int) else f" {v:.10g}" for v in values).encode("ascii") + b"\n"


def encode_end(samples: int, reason: str = "Disarmed") -> bytes:
    """Return the line after the rows of an arm."""
    return f"END {samples} {reason}\n".encode("ascii")
