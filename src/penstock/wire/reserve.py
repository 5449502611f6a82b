"""Filling a slot in place: a source writes its frames where they will be read, without a copy.

The arrays of a slot are made once and can be filled again and again; only how many rows were filled changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from penstock.core.message import Kind
from penstock.wire.columns import ArrayType, encode_types
from penstock.wire.layout import BlockLayout, Places
from penstock.wire.metadata import encode_metadata

__all__ = ["Form", "Reserved", "layout_of", "reserve"]

_U8: Final = np.dtype(np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a source will fill in: so many rows at most, of arrays of these types."""

    layout: BlockLayout
    """Of a block in which every row is filled."""
    types: tuple[ArrayType, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of slot, without metadata."""
        return self.layout.nbytes


def layout_of(rows: int, *columns: tuple[DTypeLike, tuple[int, ...]], keyed: bool = True) -> Form:
    """Return the form of blocks of up to ``rows`` messages, each with an array of every dtype and shape given.

    Raises
    ------
    ResultTypeError
        If a dtype holds Python objects.
    """
    types: list[ArrayType] = []
    for dtype, shape in columns:
        item, axes = np.dtype(dtype), tuple(shape)
        while item.subdtype is not None:  # an array of arrays is an array of more axes
            item, axes = item.base, (*axes, *item.shape)
        types.append((item, axes))
    head = encode_types(tuple(types))
    end = Places(BlockLayout(rows, rows, len(head), 0, Kind.DATA, keyed), types).end
    return Form(layout=BlockLayout(rows, rows, len(head), end, Kind.DATA, keyed), types=tuple(types))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reserved:
    """The arrays of one slot, to be filled in.

    Whoever holds them may write at any time; do so only between taking the slot and sending its layout.
    """

    ids: NDArray[np.uint64]
    """(capacity,)"""
    keys: NDArray[np.uint64] | None
    """(capacity,)"""
    timestamps: NDArray[np.int64]
    """(capacity,), nanoseconds UTC."""
    columns: tuple[NDArray[Any], ...]
    """(capacity, …) each."""
    form: Form
    slot: NDArray[np.uint8]

    def close(
        self, rows: int, metadata: Sequence[Mapping[str, Any]] | None = None, kind: Kind = Kind.DATA
    ) -> BlockLayout:
        """Return the layout of the block in the first ``rows`` rows.

        Parameters
        ----------
        rows
            How many were filled.
        metadata
            One mapping a row, if any has something to say; written behind the columns.
        kind
            Of the messages.

        Raises
        ------
        ValueError
            If there are more rows than were reserved, another number of metadata, or no room for them.
        ResultTypeError
            If metadata hold what cannot travel between processes.
        """
        full = self.form.layout
        if not 0 <= rows <= full.capacity:
            raise ValueError(f"{rows} rows filled of {full.capacity}")
        _put_head(self.form, self.slot)  # again, because another block may have lain in the slot meanwhile
        written = 0 if metadata is None else self._write_metadata(rows, metadata)
        return msgspec.structs.replace(full, rows=rows, kind=kind, metadata=written, nbytes=full.nbytes + written)

    def _write_metadata(self, rows: int, metadata: Sequence[Mapping[str, Any]]) -> int:
        if len(metadata) != rows:
            raise ValueError(f"{rows} rows filled, with {len(metadata)} metadata")
        data = encode_metadata(metadata)
        room = self.slot[self.form.nbytes : self.form.nbytes + len(data)]
        if len(room) < len(data):
            raise ValueError(f"{len(data)} bytes of metadata in a slot with room for {len(room)}; reserve fewer rows")
        room[:] = np.frombuffer(data, np.uint8)
        return len(data)


def reserve(form: Form, out: NDArray[np.uint8]) -> Reserved:
    """Return the arrays of a slot; nothing is written yet.

    Parameters
    ----------
    form
        What will be filled in.
    out
        (bytes,), the slot: writable, aligned to 64 bytes.

    Raises
    ------
    ValueError
        If the slot is too small.
    """
    layout = form.layout
    if len(out) < layout.nbytes:
        raise ValueError(f"{layout.capacity} rows need {layout.nbytes} bytes; the slot has {len(out)}")
    places = Places(layout, form.types)
    rows = (layout.capacity,)
    return Reserved(
        ids=np.ndarray(rows, _U8, out, places.ids),
        keys=np.ndarray(rows, _U8, out, places.keys) if layout.is_keyed else None,
        timestamps=np.ndarray(rows, np.int64, out, places.timestamps),
        columns=tuple(
            [
                np.ndarray((*rows, *shape), dtype, out, at)
                for (dtype, shape), at in zip(form.types, places.columns, strict=True)
            ]
        ),
        form=form,
        slot=out,
    )


def _put_head(form: Form, slot: NDArray[np.uint8]) -> None:
    head = encode_types(form.types)
    slot[: len(head)] = np.frombuffer(head, np.uint8)
