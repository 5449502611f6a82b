"""What neutron sources send through Kafka: records in the FlatBuffers schemas of the European Spallation Source.

======  ==========================================================================================================
ev44    neutrons of one or some pulses: times of flight in ns, pixels, and where each pulse begins among them
f144    a value of a process variable, a number or an array, and its time
ad00    an image of a camera with attributes
pl72    a run starts
6s4t    a run stops
======  ==========================================================================================================

A record is a FlatBuffer: bytes 4 to 8 name the schema, and fields stand in tables, any of which may be absent. The
schemas are public (ess-dmsc/streaming-data-types). Every offset and length is held against the record, because what
is cut off or damaged must not become a shorter name or other numbers.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.decoder import Decoder, Traits
from penstock.core.message import Kind, Message
from penstock.errors import RemoteProtocolError
from penstock.extra import extra

__all__ = ["SCHEMAS", "EssDecoder", "encode_pulse", "encode_run_start", "encode_run_stop", "encode_value", "schema_of"]

_NUMBERS: Final = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
_MOST_PLACES: Final = 4 + 2 * 64
"""Bytes in which the places of a table's fields stand: more fields than any of these schemas has."""
_TEXT_CODE: Final = len(_NUMBERS)
"""Of an array or attribute that is a text, in ad00."""
_MS: Final = 1_000_000
_MAX_NS: Final = 2**63 - 1
_RUN_TEXTS: Final[Mapping[str, Mapping[str, int]]] = {
    "pl72": {
        "run_name": 8, "instrument_name": 10, "nexus_structure": 12, "job_id": 14, "broker": 16, "service_id": 18,
        "filename": 20, "metadata": 26, "control_topic": 28,
    },
    "6s4t": {"run_name": 6, "job_id": 8, "service_id": 10, "command_id": 12},
}  # fmt: skip
"""Fields that are texts, with the place of each in its table."""


class EssDecoder(Decoder):
    """Decode records: one message each. ``metadata["schema"]`` and ``["source"]`` say of what and from whom.

    ``ev44``: ``key`` is the number of the message; ``array`` (events,) int32 times of flight in ns; ``more`` pixels
    (events,) int32, none for a monitor, times of the pulses (pulses,) int64 in ns UTC, and (pulses,) int32, where each
    begins among the events; ``metadata["buffers"]`` names them. The time is that of the first pulse.

    ``f144``: ``metadata["value"]``, or ``array`` (n,) if it is one. ``ad00``: ``key`` is the number of the image,
    ``array`` the image, attributes are in the metadata. ``pl72`` is a start, ``6s4t`` an end; their times are those
    that they name, and ``metadata`` has ``job_id``, ``run_name`` and the rest.

    Where a record has no time of its own, it has that of reception.
    """

    traits = Traits(number="message_id", clock="reference_time")

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode one record; see the class."""
        if len(parts) != 1:
            raise RemoteProtocolError(f"a record of {len(parts)} parts; 1 would be right")
        schema = schema_of(parts[0])
        if schema not in SCHEMAS:
            raise RemoteProtocolError(f"schema {schema!r} is none of {', '.join(SCHEMAS)}")
        try:
            return iter((SCHEMAS[schema](_Table.root(parts[0]), received_ns),))
        except (struct.error, ValueError, TypeError, IndexError, OverflowError) as error:
            raise RemoteProtocolError(f"a record of schema {schema} that is not whole: {error}") from error


def schema_of(record: bytes | memoryview) -> str:
    """Return the schema that a record names, empty if it is none."""
    try:
        return bytes(record[4:8]).decode("ascii") if len(record) >= 8 else ""
    except UnicodeDecodeError:
        return ""


class _Table:
    """A table of a FlatBuffer, of which fields are read by their place; each is held against the record."""

    def __init__(self, table: Any) -> None:  # flatbuffers has no types
        self._table = table

    @classmethod
    def root(cls, record: bytes | memoryview) -> "_Table":
        with extra("ess"):
            from flatbuffers.table import Table

        if len(record) % 4:
            raise ValueError(f"{len(record)} bytes, which is no multiple of 4")
        (at,) = struct.unpack_from("<I", record, 0)
        (back,) = struct.unpack_from("<i", record, at)
        places = at - back
        if places < 0:
            raise ValueError(f"the places of its fields begin at byte {places}")
        size, inline = struct.unpack_from("<HH", record, places)
        fields = struct.unpack_from(f"<{max(size - 4, 0) // 2}H", record, places + 4)
        if size < 4 or size % 2 or size > _MOST_PLACES or at + inline > len(record) or max(fields, default=0) >= inline:
            raise ValueError(f"no table begins at byte {at}")
        return cls(Table(record, at))

    def text(self, place: int) -> str:
        """Return a text, empty if there is none. It must end with the zero that stands behind it."""
        at, length = self._vector(place)
        record = self._table.Bytes
        if length < 0:
            return ""
        if at + length >= len(record) or record[at + length]:
            raise ValueError(f"a text of {length} bytes goes beyond its end")
        return str(bytes(record[at : at + length]), "utf-8")

    def array(self, place: int, dtype: str) -> NDArray[Any]:
        """Return a view of a vector of numbers, (n,), empty if there is none."""
        at, length = self._vector(place)
        kind = np.dtype(dtype).newbyteorder("<")
        array = np.frombuffer(self._table.Bytes, kind, length, at) if length > 0 else np.empty(0, kind)
        array.flags.writeable = False
        return array

    def number(self, place: int, dtype: str) -> Any:
        """Return a number, 0 if it is not written."""
        offset = self._table.Offset(place)
        if not offset:
            return np.dtype(dtype).type(0).item()
        return np.frombuffer(self._table.Bytes, np.dtype(dtype).newbyteorder("<"), 1, self._table.Pos + offset)[
            0
        ].item()

    def inner(self, place: int) -> "_Table":
        """Return the table of a union."""
        offset = self._table.Offset(place)
        if not offset:
            raise ValueError("it has no value")
        return _Table(type(self._table)(self._table.Bytes, self._table.Indirect(self._table.Pos + offset)))

    def tables(self, place: int) -> Iterator["_Table"]:
        """Yield the tables of a vector."""
        at, length = self._vector(place)
        for n in range(max(length, 0)):
            yield _Table(type(self._table)(self._table.Bytes, self._table.Indirect(at + 4 * n)))

    def _vector(self, place: int) -> tuple[int, int]:
        """Return where a vector's content begins and how many there are, -1 if there is none."""
        offset = self._table.Offset(place)
        return (self._table.Vector(offset), self._table.VectorLen(offset)) if offset else (0, -1)


def _neutrons(table: _Table, received_ns: int) -> Message:
    number = table.number(6, "i8")
    pulses, begins = table.array(8, "i8"), table.array(10, "i4")
    flights, pixels = table.array(12, "i4"), table.array(14, "i4")
    if number < 0:
        raise ValueError(f"its number is {number}")
    if len(pixels) not in (0, len(flights)):
        raise ValueError(f"{len(pixels)} pixels for {len(flights)} times of flight")
    if len(begins) != len(pulses) or (begins < 0).any() or (begins > len(flights)).any():
        raise ValueError(f"{len(pulses)} pulses that begin at {begins[:5].tolist()} of {len(flights)} events")
    names = ["time_of_flight", "pixel_id", "reference_time", "reference_time_index"]
    return Message(
        key=number,
        timestamp_ns=int(pulses[0]) if len(pulses) else received_ns,
        metadata={"schema": "ev44", "source": table.text(4), "buffers": names},
        array=flights,
        more=(pixels, pulses, begins),
    )


def _reading(table: _Table, received_ns: int) -> Message:
    code = table.number(8, "u1")
    if not 1 <= code <= 2 * len(_NUMBERS):
        raise ValueError(f"its value is of type {code}, which is not known")
    stamp = table.number(6, "i8") or received_ns
    said = {"schema": "f144", "source": table.text(4)}
    value = table.inner(10)
    if code <= len(_NUMBERS):
        return Message(timestamp_ns=stamp, metadata={**said, "value": value.number(4, _NUMBERS[code - 1])})
    return Message(timestamp_ns=stamp, metadata=said, array=value.array(4, _NUMBERS[code - 1 - len(_NUMBERS)]))


def _image(table: _Table, received_ns: int) -> Message:
    number, shape = table.number(6, "i4"), table.array(10, "u8").tolist()
    if number < 0:
        raise ValueError(f"its number is {number}")
    attributes = {each.text(4): _attribute(each) for each in table.tables(16)}
    code, raw = table.number(12, "i1"), table.array(14, "u1")
    if not 0 <= code < _TEXT_CODE:
        raise ValueError(f"its data are of type {code}, which is no number")
    dtype = np.dtype(_NUMBERS[code])
    if len(shape) > 32 or prod(shape) * dtype.itemsize != len(raw):
        raise ValueError(f"{len(raw)} bytes for shape {shape[:8]} of {dtype}")
    return Message(
        key=number,
        timestamp_ns=table.number(8, "i8") or received_ns,
        metadata={**attributes, "schema": "ad00", "source": table.text(4)},
        array=raw.view(dtype.newbyteorder("<")).reshape(shape),
    )


def _attribute(table: _Table) -> Any:
    code, raw = table.number(10, "i1"), table.array(12, "u1")
    table.text(6), table.text(8)  # what it means and where it is from: only that they are whole
    if code == _TEXT_CODE:
        return str(raw.tobytes(), "utf-8")
    if not 0 <= code < _TEXT_CODE:
        raise ValueError(f"an attribute is of type {code}, which is not known")
    values = raw.view(np.dtype(_NUMBERS[code]).newbyteorder("<"))
    return values[0].item() if len(values) == 1 else values


def _start(table: _Table, received_ns: int) -> Message:
    start, stop = table.number(4, "u8"), table.number(6, "u8")
    said = {"schema": "pl72", **_texts(table, "pl72"), "start_time_ms": start, "stop_time_ms": stop}
    return Message(timestamp_ns=_instant(start) or received_ns, metadata=said, kind=Kind.START)


def _end(table: _Table, received_ns: int) -> Message:
    stop = table.number(4, "u8")
    said = {"schema": "6s4t", **_texts(table, "6s4t"), "stop_time_ms": stop}
    return Message(timestamp_ns=_instant(stop) or received_ns, metadata=said, kind=Kind.END)


def _texts(table: _Table, schema: str) -> dict[str, str]:
    return {name: table.text(place) for name, place in _RUN_TEXTS[schema].items()}


def _instant(ms: int) -> int:
    if ms * _MS > _MAX_NS:
        raise ValueError(f"{ms} ms since 1970 is no time")
    return ms * _MS


SCHEMAS: Final = {"6s4t": _end, "ad00": _image, "ev44": _neutrons, "f144": _reading, "pl72": _start}
"""By name, what reads it."""


def encode_pulse(
    source: str, message_id: int, time_ns: int, flights_ns: NDArray[np.integer[Any]], pixels: NDArray[np.integer[Any]]
) -> bytes:
    """Return the record of one pulse, ev44.

    Parameters
    ----------
    source, message_id
        Whose it is, and its number.
    time_ns
        Of the pulse, ns UTC.
    flights_ns, pixels
        (events,): time of flight of each neutron, and where it was seen.
    """
    return _record(
        "ev44",
        [
            (4, source), (6, ("Int64", message_id)), (8, np.array([time_ns], "<i8")), (10, np.zeros(1, "<i4")),
            (12, flights_ns.astype("<i4")), (14, pixels.astype("<i4")),
        ],
    )  # fmt: skip


def encode_value(source: str, time_ns: int, value: float) -> bytes:
    """Return the record of a number of a process variable at a time in ns UTC, f144."""
    with extra("ess"):
        from flatbuffers import Builder

    builder = Builder(64)
    builder.StartObject(1)
    builder.PrependFloat64Slot(0, value, 0.0)
    inner = builder.EndObject()
    code = _NUMBERS.index("f8") + 1
    return _record("f144", [(4, source), (6, ("Int64", time_ns)), (8, ("Uint8", code)), (10, inner)], builder)


def encode_run_start(job_id: str, start_ms: int, **texts: str) -> bytes:
    """Return the record of a run that starts, pl72; ``texts`` are of those that `EssDecoder` names."""
    places = _RUN_TEXTS["pl72"]
    return _record(
        "pl72", [(4, ("Uint64", start_ms)), *((places[n], t) for n, t in {"job_id": job_id, **texts}.items())]
    )


def encode_run_stop(job_id: str, stop_ms: int, **texts: str) -> bytes:
    """Return the record of a run that stops, 6s4t."""
    places = _RUN_TEXTS["6s4t"]
    return _record(
        "6s4t", [(4, ("Uint64", stop_ms)), *((places[n], t) for n, t in {"job_id": job_id, **texts}.items())]
    )


def _news(schema: str, time_ms: int, texts: Mapping[str, str]) -> bytes:
    places = _RUN_TEXTS[schema]
    return _record(schema, [(4, ("Uint64", time_ms)), *((places[name], text) for name, text in texts.items())])


def _record(schema: str, fields: Sequence[tuple[int, Any]], builder: Any = None) -> bytes:
    """Return a FlatBuffer of one table.

    Parameters
    ----------
    fields
        Place and value of each: a text, an array, a number with the name of its type, or an inner table in ``builder``.
    """
    with extra("ess"):
        from flatbuffers import Builder

    builder = Builder(256) if builder is None else builder
    kept: list[tuple[int, Any]] = []
    for place, value in fields:  # what stands outside of a table comes before it
        if isinstance(value, str):
            value = builder.CreateString(value)
        elif isinstance(value, np.ndarray):
            value = builder.CreateNumpyVector(value)
        kept.append(((place - 4) // 2, value))
    builder.StartObject(max(slot for slot, _ in kept) + 1)
    for slot, value in kept:
        if isinstance(value, tuple):
            kind, number = value
            getattr(builder, f"Prepend{kind}Slot")(slot, number, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    builder.Finish(builder.EndObject(), file_identifier=schema.encode())
    return bytes(builder.Output())
