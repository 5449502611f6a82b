"""The event log's file: a header, then records of columns, each with a CRC; docs/reference/event-log.md has every byte.

It makes and reads bytes, never a file. A file that was cut off, or is damaged somewhere, is read up to there.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from math import prod
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.log_records import (
    ClockRead,
    EventsEnded,
    EventsFormed,
    LogRecord,
    MapSet,
    Merged,
    ParametersSet,
    RangeWorked,
    RunEnded,
    RunResumed,
    Ticked,
)
from penstock.errors import RemoteProtocolError

__all__ = ["EventLogReader", "LogHeader", "TornTail", "encode_header", "encode_record"]

MAGIC: Final = b"PENSTLOG"
VERSION: Final = 1
MAX_LENGTH: Final = 1 << 24
"""Values in a row of a column: far above any range, and little enough to be made out of two numbers safely."""
_START: Final = struct.Struct("<8sHHI")
"""Magic, version, 0, length of the head."""
_RECORD: Final = struct.Struct("<IHHI")
"""Bytes between this and the CRC, type of record, 0, length of the head."""
_CRC: Final = struct.Struct("<I")
_RAW, _STEPS = 0, 1
"""Encodings of a column: all values; or first value and step of each row."""

_TYPES: Final[Mapping[int, type[LogRecord]]] = {
    1: EventsFormed, 2: EventsEnded, 3: RangeWorked, 4: Ticked, 5: ClockRead, 6: ParametersSet, 7: RunEnded,
    8: MapSet, 9: Merged, 10: RunResumed,
}  # fmt: skip
_CODES: Final = {kind: code for code, kind in _TYPES.items()}


class LogHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Whose log it is."""

    run: str
    pipeline: str = ""
    begun_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TornTail:
    """Where and why reading stopped before the end of the bytes."""

    offset: int
    """Everything before is good; a writer goes on in a new file."""
    why: str


def encode_header(header: LogHeader) -> bytes:
    """Return the bytes a log begins with."""
    head = msgspec.msgpack.encode(header)
    return _with_crc(_START.pack(MAGIC, VERSION, 0, len(head)) + head)


def encode_record(record: LogRecord) -> bytes:
    """Return the bytes of one record."""
    plain = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in record.columns}
    described, bodies = [], []
    for name, (dtype, _) in record.columns.items():
        column = np.ascontiguousarray(getattr(record, name), dtype)
        steps = _as_steps(column)
        described.append([name, list(column.shape), _RAW if steps is None else _STEPS])
        bodies.append((column if steps is None else steps).tobytes())
    head = msgspec.msgpack.encode([plain, described])
    size = len(head) + sum(map(len, bodies))
    return _with_crc(b"".join((_RECORD.pack(size, _CODES[type(record)], 0, len(head)), head, *bodies)))


class EventLogReader:
    """Read a log.

    Iterating yields every good record, in order; it can be done again. ``torn`` tells afterwards whether there was
    more. Columns that were written in full are views of the bytes.

    Parameters
    ----------
    data
        The whole file, such as a memory map of it.

    Raises
    ------
    RemoteProtocolError
        If it does not begin as an event log of this version.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data).cast("B")
        self.torn: TornTail | None = None
        """Known when all records were read."""
        self.header, self._first = self._begin()

    def __iter__(self) -> Iterator[LogRecord]:
        self.torn = None
        offset = self._first
        while offset < len(self._data):
            try:
                record, offset = self._read(offset)
            except _BrokenRecordError as broken:
                self.torn = TornTail(offset=offset, why=str(broken))
                return
            yield record

    def _begin(self) -> tuple[LogHeader, int]:
        data = self._data
        if len(data) < _START.size or bytes(data[:8]) != MAGIC:
            raise RemoteProtocolError(f"not an event log: it begins with {bytes(data[:8])!r} instead of {MAGIC!r}")
        _, version, _, length = _START.unpack_from(data)
        if version != VERSION:
            raise RemoteProtocolError(f"event log of version {version}; this penstock reads version {VERSION}")
        stop = _START.size + length
        if not _crc_is_good(data, 0, stop):
            raise RemoteProtocolError("the header of the event log is damaged or cut off")
        try:
            return msgspec.msgpack.decode(data[_START.size : stop], type=LogHeader), stop + _CRC.size
        except msgspec.MsgspecError as error:
            raise RemoteProtocolError(f"the header of the event log says nothing sensible: {error}") from error

    def _read(self, offset: int) -> tuple[LogRecord, int]:
        data = self._data
        if offset + _RECORD.size > len(data):
            raise _BrokenRecordError("cut off within a record's first bytes")
        size, code, _, head_length = _RECORD.unpack_from(data, offset)
        start = offset + _RECORD.size
        stop = start + size
        if stop + _CRC.size > len(data):
            raise _BrokenRecordError(f"cut off: a record of {size} bytes has {len(data) - start}")
        if not _crc_is_good(data, offset, stop):
            raise _BrokenRecordError("damaged: the check sum of a record is wrong")
        try:
            return _decoded(code, data[start : start + head_length], data[start + head_length : stop]), stop + _CRC.size
        except (msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
            raise _BrokenRecordError(f"a record of type {code} says nothing sensible: {error}") from error


class _BrokenRecordError(Exception):
    pass


def _decoded(code: int, head: memoryview, body: memoryview) -> LogRecord:
    kind = _TYPES[code]
    plain, described = msgspec.msgpack.decode(
        head, type=tuple[dict[str, Any], list[tuple[str, tuple[int, ...], int]]], strict=True
    )
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in plain.items()}
    at = 0
    for name, shape, encoding in described:
        dtype, axes = kind.columns[name]
        if len(shape) != axes or min(shape) < 0 or max(shape) > MAX_LENGTH:
            raise ValueError(f"{name} has shape {shape}; it has {axes} axes of at most {MAX_LENGTH}")
        values[name], at = _column(body, at, np.dtype(dtype), shape, encoding)
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes too many")
    return kind(**values)


def _column(
    body: memoryview, at: int, dtype: np.dtype[Any], shape: tuple[int, ...], encoding: int
) -> tuple[NDArray[Any], int]:
    stored = shape if encoding == _RAW else (*shape[:-1], 2)
    count = prod(stored)
    stop = at + count * dtype.itemsize
    if encoding not in (_RAW, _STEPS) or stop > len(body):
        raise ValueError(f"encoding {encoding} needs bytes up to {stop} of {len(body)}")
    found = np.frombuffer(body[at:stop], dtype).reshape(stored)
    if encoding == _RAW:
        return found, stop
    return found[..., :1] + np.arange(shape[-1]).astype(dtype) * found[..., 1:], stop


def _as_steps(column: NDArray[Any]) -> NDArray[Any] | None:
    """Return first value and step of each row if every row has equal steps: ids and numbers mostly have."""
    if column.shape[-1] < 3:
        return None
    steps = column[..., 1:] - column[..., :-1]  # unsigned differences wrap, and wrap back when they are added
    if (steps != steps[..., :1]).any():
        return None
    return np.stack([column[..., 0], steps[..., 0]], axis=-1)


def _with_crc(data: bytes) -> bytes:
    return data + _CRC.pack(zlib.crc32(data))


def _crc_is_good(data: memoryview, start: int, stop: int) -> bool:
    return stop + _CRC.size <= len(data) and _CRC.unpack_from(data, stop)[0] == zlib.crc32(data[start:stop])
