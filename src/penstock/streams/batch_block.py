"""A batch of sent messages as a block, and whether a message that is stored is the one that was sent again."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, Column, RaggedColumn
from penstock.core.message import NO_METADATA, Message
from penstock.streams.receipts import Batch
from penstock.wire.layout import pack_block, read_block

__all__ = ["block_of", "is_same"]

BYTE = np.dtype(np.uint8)


def block_of(batch: Batch, rows: Sequence[int] | None = None) -> Block:
    """Return the block of some rows of a batch, in that order; all for none.

    Parameters
    ----------
    rows
        At least one, with ascending ids.
    """
    if rows is None:
        ids, times, keys = batch.ids, batch.times, batch.keys
        data, metadata = batch.data, batch.metadata
    else:
        ids, times, data, metadata = (
            [column[row] for row in rows] for column in (batch.ids, batch.times, batch.data, batch.metadata)
        )
        keys = [batch.keys[row] for row in rows] if batch.is_keyed else []
    return Block(
        stream=batch.address.stream,
        ids=np.array(ids, np.uint64),
        keys=np.array(keys, np.uint64) if batch.is_keyed else None,
        timestamps=np.array(times, np.int64),
        metadata=tuple([NO_METADATA if m is None else m for m in metadata]) if any(metadata) else None,
        columns=_columns(data),
    )


def is_same(batch: Batch, row: int, stored: Message) -> bool:
    """Tell whether a stored message is that of a row: the same bytes, types, encodings, metadata and key.

    The timestamp counts if it was given; the one that was not is the time of sending, and differs each time.
    """
    # Read back as the store's was: what metadata become on the way is no difference.
    sent = block_of(batch, [row])
    packed = pack_block(sent)
    out = np.empty(packed.places.end, np.uint8)
    mine = next(read_block(packed.write(out), out, sent.stream).messages())
    return (
        mine.key == stored.key
        and (row not in batch.timed or mine.timestamp_ns == stored.timestamp_ns)
        and _without_nothing(batch.encodings[: len(mine.buffers)]) == _without_nothing(stored.encodings)
        and len(mine.buffers) == len(stored.buffers)
        and all(map(_are_equal, mine.buffers, stored.buffers))
        and _are_equal(mine.metadata, stored.metadata)
    )


def _without_nothing(encodings: Sequence[Any]) -> tuple[Any, ...]:
    found = list(encodings)
    while found and found[-1] is None:
        found.pop()
    return tuple(found)


def _are_equal(one: Any, other: Any) -> bool:
    """Compare values of metadata, and arrays byte by byte: a NaN is equal to itself, 1 is not 1.0."""
    if isinstance(one, np.ndarray | np.generic):
        return (
            isinstance(other, np.ndarray | np.generic)
            and one.dtype == other.dtype
            and one.shape == other.shape
            and _bytes(one) == _bytes(other)
        )
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and one.keys() == other.keys()
            and all(_are_equal(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(_are_equal, one, other))
    return type(one) is type(other) and bool(one == other or (one != one and other != other))


def _bytes(array: NDArray[Any] | np.generic) -> memoryview | bytes:
    if array.dtype.hasobject or not array.nbytes:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _columns(data: list[Any]) -> tuple[Column, ...]:
    kinds = set(map(type, data))
    if kinds == {bytes}:
        return (_of_bytes(data),)
    if kinds == {np.ndarray}:
        uniform = _uniform(data)
        if uniform is not None:
            return (uniform,)
    return Block.of("", [_message(item) for item in data]).columns


def _of_bytes(data: list[bytes]) -> Column:
    sizes = list(map(len, data))
    different = set(sizes)
    joined = np.frombuffer(b"".join(data), np.uint8)
    if len(different) == 1:
        return joined.reshape(len(data), sizes[0])
    offsets = np.zeros(len(data) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    codes = {size: code for code, size in enumerate(different)}
    types = tuple((BYTE, (size,)) for size in codes)
    return RaggedColumn(joined, offsets, types, np.array([codes[size] for size in sizes], np.int32))


def _uniform(arrays: list[NDArray[Any]]) -> Column | None:
    """Return arrays of one type as one, with one copy, and none if there is one array only."""
    dtype, shape = arrays[0].dtype, arrays[0].shape
    if len(arrays) == 1:
        return arrays[0][np.newaxis]
    # Only numbers have a buffer that can be joined; dates, for example, have none.
    if (
        dtype.kind not in "biufc"
        or not arrays[0].nbytes
        or any(array.dtype != dtype or array.shape != shape for array in arrays)
    ):
        return None
    return np.frombuffer(b"".join([array.data for array in arrays]), dtype).reshape(len(arrays), *shape)


def _message(item: Any) -> Message:
    if item is None:
        return Message()
    buffers = [np.frombuffer(buffer, np.uint8) if isinstance(buffer, bytes) else buffer for buffer in
               (item if isinstance(item, tuple) else (item,))]  # fmt: skip
    return Message(array=buffers[0], more=tuple(buffers[1:]))
