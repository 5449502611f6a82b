"""Rows of an HDF5 or NeXus file as a source: frames with what belongs to them, at a chosen rate."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec.structs import replace

from penstock.core import Kind, Message, Timestamp
from penstock.core.block_builder import MAX_BYTES, MAX_MESSAGES
from penstock.core.decoder import Traits
from penstock.elements.cadence import Cadence
from penstock.elements.hdf5_rows import Hdf5Rows, Rows
from penstock.elements.source import Reading, Source
from penstock.errors import SourceError

__all__ = ["Hdf5Source"]

_KEY: Final = "\0key"
_TIME: Final = "\0time"
_UNITS_NS: Final[Mapping[str, float]] = {
    "s": 1e9, "second": 1e9, "seconds": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0
}  # fmt: skip


class Hdf5Source(Source):
    """Give the rows of a dataset, along its first axis, as messages; the same file gives the same, every time.

    ::

        sources:
          camera:
            use: hdf5
            file: scan.nxs
            data: /entry/instrument/camera/data
            fields: {x: /entry/sample/x, energy: /entry/energy}
            every_s: 0.01

    A message's array is a row, its key the number of the row, its metadata the row's fields. Before the rows comes a
    start with shape, dtype, and fields of which the file has one value; behind them an end with ``rows``, how many were
    given. Chunks that are compressed are unpacked once, when they are read; or not at all with ``compressed``.

    Parameters
    ----------
    file
        The file.
    data
        The dataset; by default what NeXus says is to be plotted, and then the values of its first axis are a field.
    fields
        More datasets of the file, by the name that they get, each with as many rows or with one value; or a list of
        their paths, whose last parts are the names.
    key
        A dataset of whole numbers, one a row, that become the keys, such as frame numbers.
    time
        A dataset of times, one a row: numbers in its attribute ``units``, counted from its attribute ``start`` as
        NeXus writes it, or from 1970; or ISO texts. By default messages are dated when they are given.
    compressed
        Give rows as they lie in the file, to be decoded where they are asked for: each a chunk by itself, compressed by
        bitshuffle with LZ4 or Zstandard, as DECTRIS detectors write, or by LZ4, Zstandard or Blosc.
    start, n
        The first row, and how many; by default all.
    every_s
        At which interval messages are given, in s; by default as fast as they are read. None is left out.

    Raises
    ------
    ValueError
        If a number is negative.
    """

    is_repeatable = True

    def __init__(
        self,
        file: str,
        *,
        data: str = "",
        fields: Mapping[str, str] | Sequence[str] = (),
        key: str = "",
        time: str = "",
        compressed: bool = False,
        start: int = 0,
        n: int | None = None,
        every_s: float = 0.0,
    ) -> None:
        if start < 0 or (n is not None and n < 0):
            raise ValueError(f"start is {start} and n {n}; write the first row, from 0, and how many rows")
        self.file = file
        self._data = data
        self._fields = _named(fields)
        self._fields |= {name: path for name, path in ((_KEY, key), (_TIME, time)) if path}
        self._start, self._n, self._compressed = start, n, compressed
        self._cadence = Cadence(every_s)
        self._opened: Hdf5Rows | None = None
        self._messages: Iterator[Message] = iter(())
        self._traits = _traits(key, time, start)

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # of each file
        """The number of the row, or what the file has as key, and whether it has times."""
        return self._traits

    @classmethod
    def traits_with(cls, arguments: Mapping[str, Any]) -> Traits:
        """Return what its messages will be with these arguments."""
        return _traits(arguments.get("key") or "", arguments.get("time") or "", arguments.get("start") or 0)

    def open(self) -> None:
        """Open the file.

        Raises
        ------
        SourceError
            If it cannot be read, or has no such datasets.
        """
        self.close()
        path = Path(self.folder, self.file).expanduser()
        self._opened = Hdf5Rows(
            path, self._data, self._fields, first=self._start, count=self._n, compressed=self._compressed
        )
        self._messages = self._all(self._opened)

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    def wait_s(self, now_ns: int) -> float | None:
        """Return how long it is until the next message is due, if there is a rate."""
        return self._cadence.wait_s(now_ns)

    def read(self, now_ns: int) -> Reading:
        """Return the next rows; see the base."""
        if self._opened is None:
            return Reading(ended=True)
        builder = self.builder
        left, size = MAX_MESSAGES, MAX_BYTES
        while left > 0 and size > 0 and self._cadence.is_due(now_ns):
            message = next(self._messages, None)
            if message is None:
                self.close()
                return Reading(blocks=builder.close(), ended=True)
            if _TIME not in self._fields or message.kind is not Kind.DATA:
                message = replace(message, timestamp_ns=now_ns)
            size -= builder.add(message, now_ns)
            left -= 1
            self._cadence.gave(1)
        return Reading(blocks=builder.close())

    def _all(self, rows: Hdf5Rows) -> Iterator[Message]:
        said = {"file": self.file, "data": rows.name, "rows": rows.rows, **rows.facts}
        yield Message(metadata={name: value for name, value in said.items() if name[0] != "\0"}, kind=Kind.START)
        given = 0
        for some in rows:
            yield from self._of(rows, some)
            given += len(some)
        yield Message(metadata={"rows": given}, kind=Kind.END)

    def _of(self, rows: Hdf5Rows, some: Rows) -> Iterator[Message]:
        keys = self._keys(rows, some)
        times = self._times(rows, some)
        names = [name for name in some.fields if name[0] != "\0"]
        columns = [_column(some.fields[name]) for name in names]
        for at in range(len(some)):
            metadata = {name: column[at] for name, column in zip(names, columns, strict=True)}
            encodings = some.encodings[at : at + 1] if some.encodings else ()
            yield Message(0, keys[at], times[at], metadata, some.data[at], encodings=tuple(filter(None, encodings)))

    def _keys(self, rows: Hdf5Rows, some: Rows) -> Sequence[int]:
        if _KEY not in self._fields:
            return range(some.first, some.first + len(some))
        path = self._fields[_KEY]
        keys = np.asarray(some.fields[_KEY]) if _KEY in rows else np.empty(0)
        if keys.dtype.kind not in "iu" or keys.ndim != 1 or (keys < 0).any():
            raise SourceError(f"{rows.path}: {path} gives no keys, which are whole numbers from 0, one a row")
        return [int(key) for key in keys]

    def _times(self, rows: Hdf5Rows, some: Rows) -> Sequence[int]:
        if _TIME not in self._fields:
            return [0] * len(some)
        path = self._fields[_TIME]
        values = some.fields[_TIME] if _TIME in rows else ()
        try:
            if isinstance(values, list):
                return [Timestamp.from_iso(text).ns for text in values]
            start = rows.attribute(_TIME, "start") if _TIME in rows else ""
            zero_ns = Timestamp.from_iso(start).ns if start else 0
            return _instants(np.asarray(values), rows.attribute(_TIME, "units") or "s", zero_ns)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            remedy = f"numbers in {', '.join(_UNITS_NS)}, or ISO texts, one a row"
            raise SourceError(f"{rows.path}: {path} gives no times ({error}); they are {remedy}") from error


def _traits(key: str, time: str, start: int) -> Traits:
    return Traits(number=key.rpartition("/")[2] if key else "row", first=None if key else start, clock=time)


def _named(fields: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    if isinstance(fields, Mapping):
        return dict(fields)
    paths = [fields] if isinstance(fields, str) else list(fields)
    named = {path.rstrip("/").rpartition("/")[2]: path for path in paths}
    if len(named) != len(paths):
        raise ValueError(f"fields are {paths}, two of which have the same name; write them as name: path")
    return named


def _column(values: Any) -> list[Any]:
    """Return a value a row: plain numbers and texts, or arrays."""
    if isinstance(values, list) or values.ndim == 1:
        return values if isinstance(values, list) else list(values.tolist())
    return list(values)


def _instants(values: Any, units: str, zero_ns: int) -> list[int]:
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(f"shape {values.shape}, dtype {values.dtype}")
    scale = _UNITS_NS[units]
    if values.dtype.kind in "iu":  # nanoseconds since 1970 are no whole numbers any more as floats
        return [zero_ns + int(value * int(scale)) for value in values.tolist()]
    if not np.isfinite(values).all():
        raise ValueError("some are not finite")
    whole = np.floor(values)
    rest = np.rint((values - whole) * scale).astype(np.int64)
    return [zero_ns + int(value) * int(scale) + part for value, part in zip(whole.tolist(), rest.tolist(), strict=True)]
