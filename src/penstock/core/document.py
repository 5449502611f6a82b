"""A mapping of plain values, written with pickle, MessagePack or JSON. It calls nothing that the sender names."""

import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import msgspec
import numpy as np

from penstock.core.pickle_plain import PLAIN
from penstock.core.unpickle import unpickle
from penstock.errors import RemoteProtocolError

__all__ = ["Document", "read_document"]

Document = dict[str, Any]

_MAX_DEPTH: Final = 32
_DTYPE: Final = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,5})")


def read_document(body: memoryview) -> Document:
    """Return a mapping with text keys, of what metadata may hold, and arrays.

    Tuples and sets become lists, dates and times text as ISO 8601 has it, durations seconds, complex numbers two
    numbers in a list, NumPy's scalars numbers, other keys text. In MessagePack, arrays and numbers are read as
    msgpack-numpy writes them.

    Parameters
    ----------
    body
        A pickle of protocol 2 to 5 (see `unpickle`), MessagePack, or JSON, also with the NaN and Infinity of Python's.

    Raises
    ------
    RemoteProtocolError
        If it is none of these, or no mapping, or has values that have no place in metadata.
    """
    try:
        document = _plain(_read(body), _MAX_DEPTH)
    except RemoteProtocolError:
        raise
    except (ValueError, TypeError, RecursionError, OverflowError, KeyError) as error:  # also msgspec's own
        raise RemoteProtocolError(f"the document cannot be read: {type(error).__name__}: {error}") from error
    if not isinstance(document, dict):
        raise RemoteProtocolError(f"the document is of type {type(document).__name__}, no mapping")
    return document


def _read(body: memoryview) -> Any:
    # What they begin with tells them apart: of a pickle its version follows, and of a mapping in MessagePack that
    # begins likewise, which is empty, nothing does.
    if bytes(body[:1]) == b"\x80" and len(body) > 1:
        return unpickle(body, PLAIN)
    if bytes(body[:1]) != b"{":
        return msgspec.msgpack.decode(body)
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return json.loads(bytes(body))  # Python writes NaN and Infinity, which no JSON has


def _plain(value: Any, depth: int) -> Any:
    """Return a value that can be metadata: what only pickle and MessagePack have is written in other words."""
    if depth < 0:
        raise ValueError(f"more than {_MAX_DEPTH} levels")
    if value is None or (isinstance(value, bool | int | float | bytes) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, str):
        value.encode()  # half a surrogate is no text
        return str(value)
    if isinstance(value, dict):
        if b"nd" in value or b"complex" in value:
            return _of_msgpack_numpy(value)
        return {_name(key): _plain(inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, depth - 1) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(inner, depth - 1) for inner in value), key=repr)
    return _of_python(value)


def _of_python(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value if value.ndim else value.item()
    if isinstance(value, np.generic):
        return _of_python(value.item()) if isinstance(value, np.complexfloating) else value.item()
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise ValueError(f"a value of type {type(value).__name__}")


def _of_msgpack_numpy(value: Mapping[Any, Any]) -> Any:
    if b"complex" in value:
        return _of_python(complex(value[b"data"]))
    dtype, content = value[b"type"], value[b"data"]
    if (
        not isinstance(dtype, str)
        or len(dtype) > 10
        or np.dtype(dtype).kind not in "biufcSU"
        or value[b"nd"] not in (True, False)
    ):
        raise ValueError(f"an array of dtype {dtype!r:.40}")
    flat = np.frombuffer(content, np.dtype(dtype))
    return _of_python(flat.reshape(value[b"shape"]) if value[b"nd"] else flat.reshape(())[()])


def _name(key: Any) -> str:
    if isinstance(key, str):
        key.encode()
        return key
    if isinstance(key, int | float):
        return str(key)
    raise ValueError(f"a key of type {type(key).__name__}")
