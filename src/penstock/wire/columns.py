"""What the columns of a block are, as bytes: dtype and shape of each, read once for all blocks that are alike."""

from functools import lru_cache
from math import prod
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from penstock.core.encoding import Encoding
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.dtypes import dtype_from, plain_dtype

__all__ = [
    "HOSTILE",
    "MAX_COLUMNS",
    "ArrayType",
    "Size",
    "array_bytes",
    "decode_table",
    "decode_types",
    "encode_table",
    "encode_types",
]

ArrayType = tuple[np.dtype[Any], tuple[int, ...]]
"""Dtype and shape of the array of one message."""

Size = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""How many there are of something, or bytes; small enough for sums of a few to stay within int64."""

HOSTILE: Final = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError, MemoryError)
"""What msgspec and NumPy raise when bytes make no sense."""

MAX_COLUMNS: Final = 1024
"""Of a block; so that a few bytes for each cannot become many objects."""

_BYTE: Final = np.dtype(np.uint8)
_MAX_AXES: Final = 63
"""NumPy's limit, without that of the messages."""
_CACHED_BYTES: Final = 4096
_DECODER: Final = msgspec.msgpack.Decoder(list[tuple[Any, tuple[Size, ...]] | None])


class _Row(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A row of the table of a ragged column."""

    dtype: Any
    shape: tuple[Size, ...]
    encoding: Encoding | None = None


_TABLE_DECODER: Final = msgspec.msgpack.Decoder(list[_Row])


def array_bytes(type_: ArrayType) -> int:
    """Return the size of the array of one message."""
    dtype, shape = type_
    return dtype.itemsize * prod(shape)


@lru_cache(maxsize=256)
def encode_types(types: tuple[ArrayType | None, ...]) -> bytes:
    """Write what columns are; ``None`` is a ragged one.

    Raises
    ------
    ResultTypeError
        If a dtype cannot travel, because it holds Python objects.
    """
    for number, type_ in enumerate(types):
        if type_ is not None and type_[0].hasobject:
            raise ResultTypeError(f"buffer {number} is an array of Python objects (dtype {type_[0]}); use numbers")
    return msgspec.msgpack.encode([None if t is None else [plain_dtype(t[0]), t[1]] for t in types])


def decode_types(data: bytes) -> tuple[ArrayType | None, ...]:
    """Read what ``encode_types`` wrote.

    Raises
    ------
    RemoteProtocolError
        If the bytes are anything else.
    """
    return _cached(data) if len(data) <= _CACHED_BYTES else _decoded(data)


@lru_cache(maxsize=256)
def encode_table(types: tuple[ArrayType, ...], encodings: tuple[Encoding | None, ...] = ()) -> bytes:
    """Write which kinds of arrays a ragged column has, and how those that are are encoded.

    Raises
    ------
    ResultTypeError
        If a dtype cannot travel, because it holds Python objects.
    """
    if not encodings:
        return encode_types(types)
    rows = zip(types, encodings, strict=True)
    return msgspec.msgpack.encode(
        [[plain_dtype(t[0]), t[1], e] if e is not None else [plain_dtype(t[0]), t[1]] for t, e in rows]
    )


def decode_table(data: bytes) -> tuple[tuple[ArrayType, ...], tuple[Encoding | None, ...]]:
    """Read what ``encode_table`` wrote.

    Raises
    ------
    RemoteProtocolError
        If the bytes are anything else, or what is said to be encoded is not bytes.
    """
    return _cached_table(data) if len(data) <= _CACHED_BYTES else _decoded_table(data)


def _decoded_table(data: bytes) -> tuple[tuple[ArrayType, ...], tuple[Encoding | None, ...]]:
    try:
        rows = _TABLE_DECODER.decode(data)
        types = tuple([_type(row.dtype, row.shape) for row in rows])
    except HOSTILE as error:
        raise RemoteProtocolError(f"{len(data)} bytes do not say what arrays there are: {error}") from error
    for (dtype, shape), row in zip(types, rows, strict=True):
        if not dtype.itemsize or (row.encoding is not None and (dtype != _BYTE or len(shape) != 1)):
            raise RemoteProtocolError(f"a ragged column with arrays of {dtype} {shape}, {row.encoding}")
    encodings = tuple([row.encoding for row in rows])
    return types, encodings if any(encodings) else ()


_cached_table = lru_cache(maxsize=256)(_decoded_table)


def _decoded(data: bytes) -> tuple[ArrayType | None, ...]:
    try:
        return tuple([None if column is None else _type(*column) for column in _DECODER.decode(data)])
    except HOSTILE as error:
        raise RemoteProtocolError(f"{len(data)} bytes do not say what columns there are: {error}") from error


_cached = lru_cache(maxsize=256)(_decoded)


def _type(plain: Any, shape: tuple[int, ...]) -> ArrayType:
    dtype = dtype_from(plain)
    if dtype.subdtype is not None:
        raise RemoteProtocolError(f"a column cannot have dtype {dtype}; its shape stands beside")
    # Axes of length 0 do not make the others any smaller for NumPy, which would refuse the array when it is made.
    if len(shape) > _MAX_AXES or max(dtype.itemsize, 1) * prod(filter(None, shape)) >= 2**62:
        raise RemoteProtocolError(f"arrays of {dtype} and {len(shape)} axes would be too large")
    return dtype, shape
