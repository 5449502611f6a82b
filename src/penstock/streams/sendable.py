"""What callers send, as a producer keeps it: bytes, one array, several arrays or nothing, which nobody changes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.encoding import Encoding
from penstock.errors import StreamError

__all__ = ["LARGEST", "Encodings", "kept_buffers", "kept_encodings", "kept_metadata", "size_of"]

Encodings = str | Encoding | None | Sequence[str | Encoding | None]
LARGEST = 2**64 - 1
"""Of an id or a key."""
PLAIN = frozenset((int, float, str, bool, bytes, type(None)))
"""What nobody can change."""


def kept_buffers(data: Any, *, copy: bool) -> Any:  # Any: whatever callers may send
    """Return the buffers of one message: ``bytes``, an array, a tuple of arrays, or ``None``.

    Parameters
    ----------
    data
        Bytes and the like, an array, a list or tuple of these, or ``None`` for a message without buffers.
    copy
        Whether to copy what somebody could change.

    Raises
    ------
    StreamError
        If it is none of these, or an array holds Python objects.
    """
    if type(data) is bytes or data is None:
        return data
    if isinstance(data, list | tuple):
        buffers = tuple(_array(item, copy=copy) for item in data)
        return buffers if len(buffers) > 1 else (buffers[0] if buffers else None)
    return _array(data, copy=copy)


def size_of(kept: Any) -> int:
    """Return its bytes of payload."""
    if kept is None:
        return 0
    if type(kept) is bytes:
        return len(kept)
    return sum(array.nbytes for array in kept) if type(kept) is tuple else int(kept.nbytes)


def kept_encodings(encoding: Encodings, kept: Any) -> tuple[Encoding | None, ...]:
    """Return what the buffers are encoded in, one for each, or for the first.

    Raises
    ------
    StreamError
        If there are more than buffers, or an encoded buffer is not of bytes.
    """
    if isinstance(encoding, str | Encoding):
        encoding = (encoding,)
    named = tuple(Encoding(one) if isinstance(one, str) else one for one in encoding or ())
    buffers: Sequence[Any] = () if kept is None else kept if type(kept) is tuple else (kept,)
    if len(named) > len(buffers):
        raise StreamError(f"{len(named)} encodings for {len(buffers)} buffers")
    for number, (one, buffer) in enumerate(zip(named, buffers, strict=False)):
        if one is not None and not (type(buffer) is bytes or (buffer.dtype == np.uint8 and buffer.ndim == 1)):
            raise StreamError(f"buffer {number} is {one.name}, but no bytes; send its bytes, and the type by Encoding")
    return named if any(named) else ()


def kept_metadata(metadata: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return a copy of its own, also of what is inside.

    Raises
    ------
    StreamError
        If it is no mapping.
    """
    if metadata is None:
        return None
    if type(metadata) is not dict and not isinstance(metadata, Mapping):
        raise StreamError(f"metadata must be a mapping, not {type(metadata).__name__}")
    kept: Mapping[str, Any] = _deep(metadata)
    return kept or None


def _deep(value: Any) -> Any:
    if type(value) is dict or isinstance(value, Mapping):  # a dict is told in a tenth of the time
        if type(value) is dict and PLAIN.issuperset(map(type, value.values())):
            return value.copy()
        return {key: inner if type(inner) in PLAIN else _deep(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        if PLAIN.issuperset(map(type, value)):
            return list(value)
        return [inner if type(inner) in PLAIN else _deep(inner) for inner in value]
    return value.copy() if isinstance(value, np.ndarray) else value


def _array(data: Any, *, copy: bool) -> NDArray[Any]:
    if isinstance(data, np.ndarray | np.generic):
        array = np.asarray(data)
        if array.dtype.hasobject:
            raise StreamError("an array of Python objects cannot be stored; give it a dtype of numbers, text or bytes")
        if not array.flags.c_contiguous or (copy and array.flags.writeable):
            return array.copy()
        return array
    try:
        array = np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError):
        raise StreamError(
            f"a {type(data).__name__} cannot be sent; send bytes, an array, a list of these, or None"
        ) from None
    return array.copy() if copy and array.flags.writeable else array
