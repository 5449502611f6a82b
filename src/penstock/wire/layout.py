"""How a block lies in a slot: written once, read as views. ``docs/reference/blocks.md`` has every byte.

Where a column begins follows from how many rows there are and what the columns are, so that a layout cannot point
anywhere: it says sizes, and a reader computes the same places from them and refuses a slot that is too small.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, Column, RaggedColumn
from penstock.core.message import Kind
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.columns import (
    HOSTILE,
    MAX_COLUMNS,
    ArrayType,
    Size,
    array_bytes,
    decode_table,
    decode_types,
    encode_table,
    encode_types,
)
from penstock.wire.metadata import MetadataColumn, encode_metadata

__all__ = ["ALIGNMENT", "BlockLayout", "PackedBlock", "Places", "measure", "pack_block", "read_block", "write_block"]

ALIGNMENT: Final = 64
"""Every column begins at a multiple of this many bytes: a cache line, and the widest vector load there is."""

_CACHED_BYTES: Final = 1024
_U8: Final = np.dtype(np.uint64)
_I8: Final = np.dtype(np.int64)
_I4: Final = np.dtype(np.int32)
_ZEROS: Final = np.zeros(ALIGNMENT, np.uint8)


class BlockLayout(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a reader must know of a slot to find a block in it."""

    rows: Size
    """Messages."""
    capacity: Size
    """Rows there is room for; more than ``rows`` where a source closed a slot early."""
    head: Size
    """Bytes at the beginning of the slot that say what the columns are."""
    nbytes: Size
    """Bytes of the slot in all."""
    kind: Kind = Kind.DATA
    is_keyed: bool = True
    metadata: Size = 0
    """Bytes; 0 for a block without."""
    ragged: tuple[tuple[Size, Size], ...] = ()
    """For each ragged column the bytes of its table of types and of its payload."""


class Places:
    """Where everything begins, computed alike by who writes and who reads."""

    __slots__ = ("columns", "end", "ids", "keys", "metadata", "timestamps")

    def __init__(self, layout: BlockLayout, types: Sequence[ArrayType | None]) -> None:
        rows, ragged = layout.capacity, iter(layout.ragged)
        self.ids = -(-layout.head // 64) * 64
        step = -(-8 * rows // 64) * 64
        self.keys = self.ids + step
        self.timestamps = at = self.keys + step if layout.is_keyed else self.keys
        at += step
        self.columns: list[int] = []
        """Where each column begins: for a ragged one its table of types, which its ``type_of`` and payload follow."""
        for type_ in types:
            self.columns.append(at)
            if type_ is not None:
                at += _aligned(rows * array_bytes(type_))
            else:
                table, payload = next(ragged, (0, 0))
                at += _aligned(table) + _aligned(4 * rows) + _aligned(payload)
        self.metadata = at
        self.end = at + layout.metadata


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


class PackedBlock(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A block of which is known how it will lie in a slot; nothing of it is copied yet."""

    block: Block
    layout: BlockLayout
    places: Places
    head: bytes
    tables: tuple[bytes, ...]
    """One for each ragged column."""
    metadata: bytes

    def write(self, out: NDArray[np.uint8]) -> BlockLayout:
        """Copy the block into a slot, once.

        Parameters
        ----------
        out
            (bytes,), writable, aligned to 64 bytes and at least ``layout.nbytes`` long.

        Raises
        ------
        ValueError
            If the slot is smaller.
        """
        block, places, n = self.block, self.places, len(self.block)
        if len(out) < places.end:
            raise ValueError(f"a block of {places.end} bytes does not fit into a slot of {len(out)}; split it")
        _put(out, 0, self.head)
        _view(out, places.ids, (n,), _U8)[...] = block.ids
        if block.keys is not None:
            _view(out, places.keys, (n,), _U8)[...] = block.keys
        _view(out, places.timestamps, (n,), _I8)[...] = block.timestamps
        tables = iter(self.tables)
        for column, at in zip(block.columns, places.columns, strict=True):
            if isinstance(column, RaggedColumn):
                _write_ragged(column, next(tables), out, at)
            else:
                _write_uniform(column, out, at)
        _put(out, places.metadata, self.metadata)
        return self.layout

    def pieces(self) -> list[NDArray[np.uint8]]:
        """Return the bytes that ``write`` would leave, as arrays to be written one after the other.

        What is contiguous is not copied. Where ``write`` leaves what was in the slot before, there are zeros here.
        """
        block, places = self.block, self.places
        found: list[NDArray[np.uint8]] = []
        at = 0

        def put(place: int, data: NDArray[np.uint8]) -> None:
            nonlocal at
            if place > at:
                found.append(_ZEROS[: place - at])
            if len(data):
                found.append(data)
            at = place + len(data)

        put(0, np.frombuffer(self.head, np.uint8))
        put(places.ids, _flat(np.asarray(block.ids, _U8)))
        if block.keys is not None:
            put(places.keys, _flat(np.asarray(block.keys, _U8)))
        put(places.timestamps, _flat(np.asarray(block.timestamps, _I8)))
        tables = iter(self.tables)
        for column, place in zip(block.columns, places.columns, strict=True):
            if isinstance(column, RaggedColumn):
                _check_dense(column)
                table = next(tables)
                put(place, np.frombuffer(table, np.uint8))
                place += _aligned(len(table))
                put(place, _flat(np.asarray(column.type_of, _I4)))
                place += _aligned(4 * len(column))
                put(place, column.payload[column.offsets[0] : column.offsets[-1]])
            else:
                put(place, _flat(column))
        put(places.metadata, np.frombuffer(self.metadata, np.uint8))
        return found


def pack_block(block: Block) -> PackedBlock:
    """Find out how a block will lie in a slot.

    Raises
    ------
    ResultTypeError
        If a buffer or metadata hold what cannot travel between processes; the text names the stream.
    """
    types = tuple([None if isinstance(c, RaggedColumn) else (c.dtype, c.shape[1:]) for c in block.columns])
    try:
        _check(block.columns)
        head = encode_types(types)
        tables = tuple([encode_table(c.types, c.encodings) for c in block.columns if isinstance(c, RaggedColumn)])
        metadata = b"" if block.metadata is None else encode_metadata(block.metadata)
    except ResultTypeError as error:
        raise ResultTypeError(f"stream {block.stream}: {error}") from error
    payloads = [int(c.offsets[-1] - c.offsets[0]) for c in block.columns if isinstance(c, RaggedColumn)]
    n = len(block)
    ragged = tuple([(len(table), payload) for table, payload in zip(tables, payloads, strict=True)])
    draft = BlockLayout(n, n, len(head), 0, block.kind, block.keys is not None, len(metadata), ragged)
    layout, places = _placed(draft, types)
    return PackedBlock(block=block, layout=layout, places=places, head=head, tables=tables, metadata=metadata)


@lru_cache(maxsize=64)
def _placed(draft: BlockLayout, types: tuple[ArrayType | None, ...]) -> tuple[BlockLayout, Places]:
    """Return a layout with its size, and where everything lies; blocks of a stream are mostly alike."""
    places = Places(draft, types)
    return msgspec.structs.replace(draft, nbytes=places.end), places


def _check(columns: Sequence[Column]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise ResultTypeError(f"messages of {len(columns)} buffers; {MAX_COLUMNS} are allowed")
    for number, column in enumerate(columns):
        if isinstance(column, RaggedColumn) and not all(dtype.itemsize for dtype, _ in column.types):
            raise ResultTypeError(f"buffer {number} has items of no bytes, in arrays that differ; give them a size")


def measure(block: Block) -> int:
    """Return the bytes of slot that a block needs; to write it too, pack it once instead."""
    return pack_block(block).places.end


def write_block(block: Block, out: NDArray[np.uint8]) -> BlockLayout:
    """Copy a block into a slot; raises what ``pack_block`` and ``PackedBlock.write`` do."""
    return pack_block(block).write(out)


def read_block(layout: BlockLayout, payload: NDArray[np.uint8], stream: str) -> Block:
    """Return the block that lies in a slot, without copying it.

    Ids, keys, timestamps, uniform columns and the payload of ragged ones are read-only views of ``payload``; which
    array a ragged row is, is copied and checked, so that nobody can change it afterwards.

    Parameters
    ----------
    layout
        What ``write_block`` returned.
    payload
        (bytes,), the slot, at least ``layout.nbytes`` of it.
    stream
        Whose messages they are.

    Raises
    ------
    RemoteProtocolError
        If layout and slot do not fit each other. Metadata are looked at later, and may raise it then.
    """
    try:
        return _read(layout, payload, stream)
    except (RemoteProtocolError, *HOSTILE) as error:
        raise RemoteProtocolError(f"stream {stream}: {layout} is not the layout of a block: {error}") from error


def _read(layout: BlockLayout, payload: NDArray[np.uint8], stream: str) -> Block:
    if payload.flags.writeable:
        payload = payload.view()
        payload.flags.writeable = False
    rows = layout.rows
    if rows > layout.capacity or layout.head > len(payload):
        raise ValueError(f"{rows} rows and a head of {layout.head} bytes in {len(payload)}")
    types, places = (_planned if layout.head <= _CACHED_BYTES else _plan)(layout, payload[: layout.head].tobytes())
    if places.end > len(payload):
        raise ValueError(f"{len(types)} columns end at {places.end} of {len(payload)} bytes")
    ragged = iter(layout.ragged)
    return Block(
        stream=stream,
        kind=layout.kind,
        ids=_view(payload, places.ids, (rows,), _U8),
        keys=_view(payload, places.keys, (rows,), _U8) if layout.is_keyed else None,
        timestamps=_view(payload, places.timestamps, (rows,), _I8),
        metadata=_metadata(layout, payload[places.metadata : places.end]) if layout.metadata else None,
        columns=tuple(
            [
                _read_ragged(payload, at, layout, *next(ragged))
                if type_ is None
                else _view(payload, at, (rows, *type_[1]), type_[0])
                for type_, at in zip(types, places.columns, strict=True)
            ]
        ),
    )


def _plan(layout: BlockLayout, head: bytes) -> tuple[tuple[ArrayType | None, ...], Places]:
    types = decode_types(head)
    places = Places(layout, types)
    if len(types) > MAX_COLUMNS or places.end != layout.nbytes or types.count(None) != len(layout.ragged):
        raise ValueError(f"{len(types)} columns end at {places.end}")
    return types, places


_planned = lru_cache(maxsize=64)(_plan)
"""Blocks of a stream are mostly alike."""


def _metadata(layout: BlockLayout, data: NDArray[np.uint8]) -> MetadataColumn:
    return MetadataColumn(data, layout.rows)


def _view(slot: NDArray[np.uint8], at: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    # Not by slicing and viewing: that makes three arrays, and cannot give items of no bytes. NumPy checks the bounds.
    return np.ndarray(shape, dtype, slot, at)


def _put(out: NDArray[np.uint8], at: int, data: bytes) -> None:
    if data:
        out[at : at + len(data)] = np.frombuffer(data, np.uint8)


def _write_uniform(column: NDArray[Any], out: NDArray[np.uint8], at: int) -> None:
    if column.flags.c_contiguous and column.nbytes:  # as bytes: structured arrays are copied field by field otherwise
        out[at : at + column.nbytes] = column.reshape(-1).view(np.uint8)
    else:
        _view(out, at, column.shape, column.dtype)[...] = column


def _flat(array: NDArray[Any]) -> NDArray[np.uint8]:
    if not array.nbytes:
        return _ZEROS[:0]
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _check_dense(column: RaggedColumn) -> None:
    offsets = column.offsets - column.offsets[0]
    if not np.array_equal(offsets, _offsets(column.types, column.type_of, int(offsets[-1]))):
        raise ValueError("a ragged column must hold its arrays one directly after the other")


def _write_ragged(column: RaggedColumn, table: bytes, out: NDArray[np.uint8], at: int) -> None:
    _check_dense(column)
    offsets = column.offsets - column.offsets[0]
    _put(out, at, table)
    at += _aligned(len(table))
    _view(out, at, (len(column),), _I4)[...] = column.type_of
    at += _aligned(4 * len(column))
    out[at : at + int(offsets[-1])] = column.payload[column.offsets[0] : column.offsets[-1]]


def _read_ragged(slot: NDArray[np.uint8], at: int, layout: BlockLayout, table: int, payload: int) -> Column:
    types, encodings = decode_table(slot[at : at + table].tobytes())
    at += _aligned(table)
    type_of = _view(slot, at, (layout.rows,), _I4).copy()
    if layout.rows and not -1 <= int(type_of.min()) <= int(type_of.max()) < len(types):
        raise ValueError(f"a ragged column of {len(types)} types names others")
    offsets = _offsets(types, type_of, payload)
    if offsets[-1] != payload:
        raise ValueError(f"arrays of {offsets[-1]} bytes in a payload of {payload}")
    arrays = _view(slot, at + _aligned(4 * layout.capacity), (payload,), slot.dtype)
    return RaggedColumn(arrays, offsets, types, type_of, encodings)


def _offsets(types: tuple[ArrayType, ...], type_of: NDArray[np.int32], payload: int) -> NDArray[np.int64]:
    # One too large for the payload counts as a byte too many, so that no sum of what bytes claim leaves 64 bits.
    sizes = [min(array_bytes(type_), payload + 1) for type_ in types]
    offsets = np.zeros(len(type_of) + 1, np.int64)
    np.cumsum(np.array([*sizes, 0], np.int64)[type_of], out=offsets[1:])  # the last for -1: no array
    return offsets
