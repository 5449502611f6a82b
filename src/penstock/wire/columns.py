"""What the columns of a block are, as bytes: dtype and shape of each, read once for all blocks that are alike."""

from functools import lru_cache
from math import prod
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.dtypes import dtype_from, plain_dtype

__all__ = ["HOSTILE", "MAX_COLUMNS", "ArrayType", "Size", "array_bytes", "decode_types", "encode_types"]

ArrayType = tuple[np.dtype[Any], tuple[int, ...]]
"""Dtype and shape of the array of one message."""

Size = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""How many there are of something, or bytes; small enough for sums of a few to stay within int64."""

HOSTILE: Final = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError, MemoryError)
"""What msgspec and NumPy raise when bytes make no sense."""

MAX_COLUMNS: Final = 1024
"""Of a block; so that a few bytes for each cannot become many objects."""

_MAX_AXES: Final = 63
"""NumPy's limit, without that of the messages."""
_CACHED_BYTES: Final = 4096
_DECODER: Final = msgspec.msgpack.Decoder(list[tuple[Any, tuple[Size, ...]] | None])


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
