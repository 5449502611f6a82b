"""What stands around the rows of a PandABox, the same in every format: the header of an arm, and the line of its end.

::

    arm_time: 2023-12-19T08:07:41.163Z
    missed: 0
    process: Scaled
    format: ASCII
    fields:
     PCAP.TS_TRIG double Value scale: 8e-09 offset: 0 units: s
     COUNTER1.OUT double Mean scale: 1 offset: 0 units:

    …
    END 1 Disarmed

Of binary formats it also says ``sample_bytes``, those of one row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core.message import Kind, Message
from penstock.core.timestamp import NS_PER_S, Timestamp
from penstock.errors import RemoteProtocolError

__all__ = [
    "DTYPES", "MAX_LINE", "Arm", "Field", "Format", "HeaderReader", "encode_end", "encode_start", "end_message",
    "line_text",
]  # fmt: skip

Format = Literal["ASCII", "Framed", "Unframed"]
MAX_LINE = 64 << 10
MAX_FIELDS = 1000
DTYPES = {"uint32": "u4", "int32": "i4", "uint64": "u8", "int64": "i8", "double": "f8"}
_TIME = "PCAP.TS_TRIG.Value"
_MAX_S = 10.0 * 365 * 86400  # no arm lasts ten years; more would not fit in 64 bit nanoseconds


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


class Arm:
    """What the header of one arm says of its rows.

    Raises
    ------
    RemoteProtocolError
        If the rows are not in the format that was asked for, or cannot be of these fields.
    """

    def __init__(self, words: Mapping[str, str], fields: Sequence[Field], wanted: Format) -> None:
        if not fields:
            raise RemoteProtocolError("the header names no fields")
        if words.get("format", "ASCII") != wanted:
            raise RemoteProtocolError(f"the header's format is {words.get('format')!r}; the box was asked for {wanted}")
        names = [field.column for field in fields]
        if len(set(names)) != len(names):
            raise RemoteProtocolError("the header names a field twice")
        self.words, self.fields = words, fields
        self.dtype = np.dtype([(field.column, DTYPES[field.type]) for field in fields])
        if wanted != "ASCII" and words.get("sample_bytes") != str(self.dtype.itemsize):
            raise RemoteProtocolError(
                f"the header's sample_bytes is {words.get('sample_bytes')}, but its fields have {self.dtype.itemsize}"
            )
        self.arm_ns = _instant(words["arm_time"]) if "arm_time" in words else None
        self.is_timed = self.arm_ns is not None and _TIME in names
        is_scaled = words.get("process", "Scaled") == "Scaled"
        self.tick_s = 1.0 if is_scaled or not self.is_timed else fields[names.index(_TIME)].scale
        self.rows = 0
        """How many have come."""

    def times(self, values: NDArray[Any], received_ns: int) -> NDArray[np.int64]:
        """Return when each of some rows happened, ns UTC: (n,)."""
        if self.arm_ns is None or not self.is_timed:
            return np.full(len(values), received_ns, np.int64)
        seconds = np.nan_to_num(values[_TIME].astype(float) * self.tick_s).clip(0, _MAX_S)
        times: NDArray[np.int64] = np.rint(seconds * NS_PER_S).astype(np.int64) + self.arm_ns
        return times

    def start(self, received_ns: int) -> Message:
        """Return the message of the header."""
        metadata: dict[str, Any] = {**self.words, "fields": [asdict(field) for field in self.fields]}
        return Message(0, None, received_ns if self.arm_ns is None else self.arm_ns, metadata, kind=Kind.START)


class HeaderReader:
    """Reads the lines of one header; of one with several mistakes it names the first.

    Parameters
    ----------
    line
        The first one.

    Raises
    ------
    RemoteProtocolError
        If it begins no header.
    """

    def __init__(self, line: bytes) -> None:
        key, value = _word(line_text(line))
        self._words = {key: value}
        self._fields: list[Field] | None = None
        self._is_refused = False
        self.is_over = False
        """Whether the empty line has come that ends it."""

    def read(self, line: bytes, wanted: Format) -> Arm | None:
        """Read a further line; return the arm if it was the last and all of them were right.

        Raises
        ------
        RemoteProtocolError
            If the line, or the header as a whole, is the first that is wrong.
        """
        try:
            if not line.strip():
                self.is_over = True
                return None if self._is_refused else Arm(self._words, self._fields or [], wanted)
            self._add(line)
        except RemoteProtocolError:
            was_refused, self._is_refused = self._is_refused, True
            if not was_refused:
                raise
        return None

    def _add(self, line: bytes) -> None:
        if len(line) > MAX_LINE:
            raise RemoteProtocolError(f"a line of more than {MAX_LINE} bytes")
        text = line_text(line)
        if self._fields is not None:
            self._fields.append(_field(text))
            if len(self._fields) > MAX_FIELDS:
                raise RemoteProtocolError(f"the header names more than {MAX_FIELDS} fields")
        elif text.strip() == "fields:":
            self._fields = []
        else:
            key, value = _word(text)
            self._words[key] = value


def line_text(line: bytes) -> str:
    """Return a line as text.

    Raises
    ------
    RemoteProtocolError
        If it is not ASCII.
    """
    try:
        return line.decode("ascii")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"a line that is not ASCII: {line[:80]!r}") from error


def end_message(line: str, received: int, received_ns: int) -> Message:
    """Return the message of the line that ends an arm of which so many rows have come.

    Raises
    ------
    RemoteProtocolError
        If it does not say how many there were.
    """
    _, samples, *reason = [*line.split(), ""]
    if not samples.isdecimal() or len(samples) > 20:
        raise RemoteProtocolError(f"an end without the number of samples: {line[:80]!r}")
    metadata = {"samples": int(samples), "reason": " ".join(reason).strip(), "received": received}
    return Message(0, None, received_ns, metadata, kind=Kind.END)


def _word(line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon or not key.isidentifier():
        raise RemoteProtocolError(f"a line that belongs to no header and is no row: {line[:80]!r}")
    return key, value.strip()


def _field(line: str) -> Field:
    name, kind, capture, *rest = [*line.split(), "", "", ""][: max(3, len(line.split()))]
    options = dict(zip(rest[::2], [*rest[1::2], ""], strict=False))
    if not line.startswith(" ") or kind not in DTYPES or not capture:
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


def encode_start(
    fields: Sequence[Field],
    *,
    arm_time: str = "2026-11-20T12:00:00.000Z",
    missed: int = 0,
    format: Format = "ASCII",  # noqa: A002 - as the header calls it
) -> bytes:
    """Return the header of an arm."""
    words = [f"arm_time: {arm_time}", f"missed: {missed}", "process: Scaled", f"format: {format}"]
    if format != "ASCII":
        words.append(f"sample_bytes: {sum(np.dtype(DTYPES[field.type]).itemsize for field in fields)}")
    columns = [
        f" {f.name} {f.type} {f.capture} scale: {f.scale:.12g} offset: {f.offset:.12g} units: {f.units}".rstrip()
        if f.type == "double"
        else f" {f.name} {f.type} {f.capture}"
        for f in fields
    ]
    return "\n".join([*words, "fields:", *columns, "", ""]).encode("ascii")


def encode_end(samples: int, reason: str = "Disarmed") -> bytes:
    """Return the line after the rows of an arm."""
    return f"END {samples} {reason}\n".encode("ascii")
