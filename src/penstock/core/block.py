"""The block: a run of consecutive messages of one stream in columns, the unit that moves.

A block is never changed after it is made; ``take`` shares memory wherever the rows are a slice.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final, Self

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.encoded_message import encoded_message
from penstock.core.encoding import Encoding
from penstock.core.message import NO_METADATA, Kind, Message
from penstock.core.origin import Origins, united

__all__ = ["Block", "RaggedColumn", "Rows", "concatenate", "pick", "unnumbered_block", "with_encodings"]

Rows = slice | NDArray[np.intp]
"""Rows of a block: a slice where they are consecutive, else their indices."""
ALL_ROWS: Final = slice(None)
SWEPT_BYTES: Final = 512
"""Larger messages are read by user code in long runs, which needs no help."""
CACHE_LINE_BYTES: Final = 64
_NO_IDS: Final = np.zeros(256, np.uint64)
"""Of blocks that no stream has numbered; shared, because small blocks come 100,000 times a second."""
_NO_IDS.flags.writeable = False


@dataclass(frozen=True, slots=True)
class RaggedColumn:
    """Arrays of different shapes or dtypes, one a message, in one contiguous payload."""

    payload: NDArray[np.uint8]
    """(bytes,), every array's bytes in C order, one after the other."""
    offsets: NDArray[np.int64]
    """(messages + 1,), where in ``payload`` each message's array begins, in bytes."""
    types: tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]
    """The kinds of arrays there are: dtype and shape."""
    type_of: NDArray[np.int32]
    """(messages,), index into ``types``; -1 where a message has no such array."""
    encodings: tuple[Encoding | None, ...] = ()
    """For each of ``types``, what such an array's bytes are, which then is (n,) ``uint8``; ``None``: the array as it
    is. Nothing at all if all are. No array is ever decoded here."""

    def __len__(self) -> int:
        return len(self.type_of)

    @property
    def nbytes(self) -> int:
        """Bytes of payload."""
        return self.payload.nbytes

    def __iter__(self) -> Iterator[NDArray[Any] | None]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row: int) -> NDArray[Any] | None:
        code = int(self.type_of[row])
        if code < 0:
            return None
        dtype, shape = self.types[code]
        # Not a view of the payload as dtype: that does not exist for a dtype whose items have no bytes.
        return np.ndarray(shape, dtype, self.payload[self.offsets[row] : self.offsets[row + 1]])

    def encoding(self, row: int) -> Encoding | None:
        """Return what the bytes of a message's array are; ``None``: the array as it is, or there is none."""
        code = int(self.type_of[row])
        return self.encodings[code] if self.encodings and code >= 0 else None

    def take(self, rows: Rows) -> "RaggedColumn":
        """Return the column of some rows; payload is shared for a slice, copied for indices."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            stop = max(start, stop)
            offsets = self.offsets[start : stop + 1]
            return RaggedColumn(
                self.payload[offsets[0] : offsets[-1]], offsets - offsets[0], self.types, self.type_of[start:stop],
                self.encodings,
            )  # fmt: skip
        chosen = rows.tolist()
        return _ragged(list(map(self.__getitem__, chosen)), list(map(self.encoding, chosen)) if self.encodings else ())


def pick(rows: Rows, chosen: Rows) -> Rows:
    """Return some of some rows."""
    if isinstance(rows, slice):
        if isinstance(chosen, slice):
            start, stop, _ = chosen.indices(rows.stop - rows.start)
            return slice(rows.start + start, rows.start + stop)
        shifted: NDArray[np.intp] = chosen + rows.start
        return shifted
    return rows[chosen]


Column = NDArray[Any] | RaggedColumn
"""One array a message: an ndarray of shape (messages, …) where they are uniform."""


class Block(msgspec.Struct, frozen=True, kw_only=True, eq=False, gc=False):
    """Consecutive messages of one kind of one stream."""

    stream: str
    kind: Kind = Kind.DATA
    ids: NDArray[np.uint64]
    """(n,)"""
    keys: NDArray[np.uint64] | None = None
    """(n,), the instrument's own numbers; ``None`` if it gives none."""
    timestamps: NDArray[np.int64]
    """(n,), nanoseconds UTC."""
    metadata: Sequence[Mapping[str, Any]] | None = None
    """n mappings; ``None`` if no message has any."""
    columns: tuple[Column, ...] = ()
    """The k-th column holds the k-th buffer of every message."""
    origins: Origins = ()
    """What tells a source that its messages are accounted for."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Bytes of payload, without ids, keys, timestamps and metadata."""
        return sum(column.nbytes for column in self.columns)

    @classmethod
    def of(cls, stream: str, messages: Sequence[Message], first_id: int | None = None) -> Self:
        """Make a block of messages of one kind.

        Parameters
        ----------
        stream
            Name of the stream.
        messages
            At least one; all of one ``kind``; all with a key or all without. Arrays are copied, those that are
            compressed as they came.
        first_id
            Number the messages from here; by default they keep the ids they have.
        """
        n = len(messages)
        if any(message.encodings for message in messages):
            messages = [message.as_it_came() for message in messages]
        if first_id is not None:  # added, not given to arange, which makes floats beyond 2**63
            ids = np.arange(n, dtype=np.uint64) + np.uint64(first_id)
        else:
            ids = np.array([message.id for message in messages], np.uint64)
        return cls(
            stream=stream,
            kind=messages[0].kind,
            ids=ids,
            keys=None if messages[0].key is None else np.array([message.key for message in messages], np.uint64),
            timestamps=np.array([message.timestamp_ns for message in messages], np.int64),
            metadata=tuple(message.metadata for message in messages) if any(m.metadata for m in messages) else None,
            columns=_columns(messages),
        )

    def messages(self, rows: Rows = ALL_ROWS) -> Iterator[Message]:
        """Yield the messages of some rows; arrays are views of this block, also where rows are indices.

        What came compressed is decoded when a message is asked for it.
        """
        if any(isinstance(column, RaggedColumn) and column.encodings for column in self.columns):
            return self._encoded_messages(rows)
        metadata: Iterable[Mapping[str, Any]] = repeat(NO_METADATA)
        if self.metadata is not None:
            metadata = self.metadata[rows] if isinstance(rows, slice) else map(self.metadata.__getitem__, rows.tolist())
        fields: list[Iterable[Any]] = [
            self.ids[rows].tolist(),
            repeat(None) if self.keys is None else self.keys[rows].tolist(),
            self.timestamps[rows].tolist(),
            metadata,
            _buffers(self.columns[0], rows) if self.columns else repeat(None),
        ]
        if len(self.columns) > 1 or self.kind is not Kind.DATA:  # what is as always is left out: 10 ns a message
            fields += [self._more(rows) if len(self.columns) > 1 else repeat(()), repeat(self.kind)]
        return map(Message, *fields)

    def _encoded_messages(self, rows: Rows) -> Iterator[Message]:
        for row in range(len(self))[rows] if isinstance(rows, slice) else rows.tolist():
            found = [(buffer, encoding) for column in self.columns for buffer, encoding in _encoded(column, row)]
            (array, *more), encodings = (list(each) for each in zip(*found, strict=True)) if found else ([None], [])
            key = None if self.keys is None else int(self.keys[row])
            metadata = NO_METADATA if self.metadata is None else self.metadata[row]
            message = Message(
                int(self.ids[row]), key, int(self.timestamps[row]), metadata, array, tuple(more), self.kind,
                tuple(encodings) if any(encodings) else (),
            )  # fmt: skip
            yield encoded_message(message, self.stream)

    def _more(self, rows: Rows) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield the second and further buffers of some messages; some may have fewer than others."""
        rest = zip(*(_buffers(column, rows) for column in self.columns[1:]), strict=True)
        if not any(isinstance(column, RaggedColumn) and (column.type_of < 0).any() for column in self.columns[1:]):
            return rest
        return (tuple(buffer for buffer in found if buffer is not None) for found in rest)

    def take(self, rows: Rows) -> "Block":
        """Return the block of some rows, sharing memory where ``rows`` is a slice."""
        metadata: Sequence[Mapping[str, Any]] | None = None
        if self.metadata is not None:
            metadata = (
                self.metadata[rows] if isinstance(rows, slice) else tuple(self.metadata[row] for row in rows.tolist())
            )
        return Block(
            stream=self.stream,
            kind=self.kind,
            ids=self.ids[rows],
            keys=None if self.keys is None else self.keys[rows],
            timestamps=self.timestamps[rows],
            metadata=metadata,
            columns=tuple(c.take(rows) if isinstance(c, RaggedColumn) else c[rows] for c in self.columns),
            origins=self.origins,
        )


def unnumbered_block(
    rows: NDArray[Any],
    timestamps: NDArray[np.int64],
    keys: NDArray[np.uint64] | None = None,
    metadata: Mapping[str, Any] = NO_METADATA,
) -> Block:
    """Return messages of data as a decoder gives them: no stream has numbered them yet, so that their ids are 0.

    Parameters
    ----------
    rows
        (n, …), the array of each, at least one; not copied, and never written again.
    timestamps
        (n,), ns UTC.
    keys
        (n,), the instrument's own numbers, if it gives any.
    metadata
        The same for all of them.
    """
    n = len(rows)
    rows.flags.writeable = False
    return Block(
        stream="",
        ids=_NO_IDS[:n] if n <= len(_NO_IDS) else np.zeros(n, np.uint64),
        keys=keys,
        timestamps=timestamps,
        metadata=(metadata,) * n if metadata else None,
        columns=(rows,),
    )


def _buffers(column: Column, rows: Rows) -> Iterator[Any]:  # arrays, or None where a ragged column has none
    """Yield the buffers of some messages; one without dimensions too is an array, as a scalar would lose its dtype."""
    indices = range(len(column))[rows] if isinstance(rows, slice) else rows.tolist()
    if isinstance(column, np.ndarray) and column.ndim == 1:
        return map(column.__getitem__, zip(indices, repeat(Ellipsis)))
    if isinstance(column, np.ndarray) and isinstance(rows, slice):
        chosen = column[rows]
        _sweep(chosen)
        return iter(chosen)
    return map(column.__getitem__, indices)


def _encoded(column: Column, row: int) -> Iterator[tuple[NDArray[Any], Encoding | None]]:
    """Yield a message's buffer, as it came, and what its bytes are; nothing where it has no such buffer."""
    if isinstance(column, np.ndarray):
        yield column[row, ...], None
    elif (buffer := column[row]) is not None:
        yield buffer, column.encoding(row)


def _sweep(column: NDArray[Any]) -> None:
    """Bring small rows near at once: one by one, as user code reads them, each would be waited for.

    Another process wrote them on another core, and processors fetch ahead only where reading is regular.
    """
    if 0 < column.nbytes <= len(column) * SWEPT_BYTES and column.flags.c_contiguous:
        np.maximum.reduce(column.reshape(-1).view(np.uint8)[::CACHE_LINE_BYTES])


def _columns(messages: Sequence[Message]) -> tuple[Column, ...]:
    width = max(len(message.more) + 1 if message.array is not None else 0 for message in messages)
    if not width:
        return ()
    is_encoded = any(message.encodings for message in messages)
    arrays: Iterable[list[Any]] = (
        [message.array for message in messages],
        *([message.more[k] if len(message.more) > k else None for message in messages] for k in range(width - 1)),
    )
    return tuple(
        _column(column, [m.encodings[k] if len(m.encodings) > k else None for m in messages] if is_encoded else ())
        for k, column in enumerate(arrays)
    )


def _column(arrays: Sequence[Any], encodings: Sequence[Encoding | None] = ()) -> Column:
    first = arrays[0]
    if any(encodings):
        return _ragged(arrays, encodings)
    if first is not None and all(
        a is not None and a.dtype == first.dtype and a.shape == first.shape for a in arrays[1:]
    ):
        column: NDArray[Any] = np.empty((len(arrays), *first.shape), first.dtype)
        for row, array in enumerate(arrays):
            column[row] = array
        column.flags.writeable = False
        return column
    return _ragged(arrays)


def _ragged(arrays: Sequence[Any], encodings: Sequence[Encoding | None] = ()) -> RaggedColumn:
    types: dict[tuple[np.dtype[Any], tuple[int, ...], Encoding | None], int] = {}
    type_of = np.full(len(arrays), -1, np.int32)
    offsets = np.zeros(len(arrays) + 1, np.int64)
    for row, array in enumerate(arrays):
        size = 0
        if array is not None:
            encoding = encodings[row] if encodings else None
            if encoding is not None and (array.dtype != np.uint8 or array.ndim != 1):
                raise ValueError(f"a buffer that is {encoding.name} must be (n,) uint8")
            type_of[row] = types.setdefault((array.dtype, array.shape, encoding), len(types))
            size = array.nbytes
        offsets[row + 1] = offsets[row] + size
    payload = np.empty(int(offsets[-1]), np.uint8)
    for row, array in enumerate(arrays):
        if array is not None and array.nbytes:
            flat = np.ascontiguousarray(array).reshape(-1)
            payload[offsets[row] : offsets[row + 1]] = flat.view(np.uint8)
    payload.flags.writeable = False
    kinds = tuple((dtype, shape) for dtype, shape, _ in types)
    named = tuple(encoding for _, _, encoding in types)
    return RaggedColumn(payload, offsets, kinds, type_of, named if any(named) else ())


def with_encodings(block: Block, encodings: Sequence[Encoding | None]) -> Block:
    """Return the block of which some columns, all of bytes, are said to be encoded; nothing is copied that lies well.

    Parameters
    ----------
    block
        Whose columns are arrays so far.
    encodings
        For each column, what its bytes are; ``None``, or nothing at the end: as it is.
    """
    if not any(encodings):
        return block
    given = [*encodings, *[None] * (len(block.columns) - len(encodings))]
    columns = [
        column if encoding is None else _said(column, encoding)
        for column, encoding in zip(block.columns, given, strict=True)
    ]
    return replace(block, columns=tuple(columns))


def _said(column: Column, encoding: Encoding) -> RaggedColumn:
    if isinstance(column, RaggedColumn):
        return RaggedColumn(
            column.payload, column.offsets, column.types, column.type_of, (encoding,) * len(column.types)
        )
    n, size = column.shape
    types = ((column.dtype, (size,)),)
    return RaggedColumn(
        column.reshape(-1), np.arange(n + 1, dtype=np.int64) * size, types, np.zeros(n, np.int32), (encoding,)
    )


def concatenate(blocks: Sequence[Block]) -> Block:
    """Return one block of the messages of several of one stream and kind, copying their payload."""
    if len(blocks) == 1:
        return blocks[0]
    width = max(len(block.columns) for block in blocks)
    columns = tuple(
        _joined([block.columns[k] if k < len(block.columns) else _ragged([None] * len(block)) for block in blocks])
        for k in range(width)
    )
    keys = [block.keys for block in blocks if block.keys is not None]
    has_metadata = any(block.metadata is not None for block in blocks)
    return Block(
        stream=blocks[0].stream,
        kind=blocks[0].kind,
        ids=np.concatenate([block.ids for block in blocks]),
        keys=np.concatenate(keys) if len(keys) == len(blocks) else None,
        timestamps=np.concatenate([block.timestamps for block in blocks]),
        metadata=[m for b in blocks for m in b.metadata or [NO_METADATA] * len(b)] if has_metadata else None,
        columns=columns,
        origins=united(block.origins for block in blocks),
    )


def _joined(columns: Sequence[Column]) -> Column:
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    if len(arrays) < len(columns) or len({(array.dtype, array.shape[1:]) for array in arrays}) > 1:
        buffers = [buffer for column in columns for buffer in _buffers(column, ALL_ROWS)]
        return _ragged(buffers, list(chain.from_iterable(map(_encodings, columns))))
    shape = sum(map(len, arrays)), *arrays[0].shape[1:]
    joined: NDArray[Any] = np.empty(shape, arrays[0].dtype)  # concatenate alone would choose a byte order
    np.concatenate(arrays, out=joined)
    joined.flags.writeable = False
    return joined


def _encodings(column: Column) -> Iterable[Encoding | None]:
    if isinstance(column, RaggedColumn) and column.encodings:
        return map(column.encoding, range(len(column)))
    return repeat(None, len(column))
