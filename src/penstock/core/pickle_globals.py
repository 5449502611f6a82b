"""The few names a pickle may use, and what stands here in their place: operations that make plain values and arrays.

Nothing is imported or called by a name that came from outside.
"""

import math
import re
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from penstock.errors import RemoteProtocolError

__all__ = ["NO_MORE", "Global", "Unfilled", "array_of_state", "as_key", "find_global", "kind_of", "with_byte_order"]

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_BUFFER_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|f16|c8|c16|c32|[SU]\d{1,5})")


class Global:
    """A name that a pickle may use."""

    __slots__ = ("call", "name")

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.name = name
        self.call = call


NO_MORE: Mapping[tuple[str, str], Global] = MappingProxyType({})
"""Beside what every pickle may name."""


class Unfilled:
    """What has been announced and gets its content by a later BUILD."""

    __slots__ = ("dtype", "value")

    def __init__(self, dtype: np.dtype[Any] | None = None) -> None:
        self.dtype = dtype
        self.value: Any = None


def as_key(value: Any) -> Any:
    """Return a dictionary's key, if it is text or a number."""
    if isinstance(value, memoryview):
        return bytes(value)
    if value is not None and type(value) not in (str, int, float, bool, bytes):
        raise RemoteProtocolError(f"the pickle has a dictionary key that is no text or number but {kind_of(value)}")
    return value


def find_global(module: Any, name: Any, allowed: Mapping[tuple[str, str], Global] = NO_MORE) -> Global:
    """Return what stands for a global, if it is allowed, here or by the reader."""
    is_named = isinstance(module, str) and isinstance(name, str)
    found = _GLOBALS.get((module, name)) or allowed.get((module, name)) if is_named else None
    if found is None:
        beside = "".join(f", {each.name}" for each in dict.fromkeys(allowed.values()))
        raise RemoteProtocolError(
            f"the pickle asks for the global {module!s:.80}.{name!s:.80}, which is not allowed; allowed are "
            f"OrderedDict, NumPy arrays, dtypes and scalars, and _codecs.encode{beside}"
        )
    return found


def _ordered_dict(*arguments: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    if len(arguments) > 1:
        raise RemoteProtocolError(f"the pickle makes an OrderedDict of {len(arguments)} arguments")
    for pair in arguments[0] if arguments else ():
        key, value = pair
        made[as_key(key)] = value
    return made


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    if type(text) is not str or type(codec) is not str or codec not in ("latin1", "latin-1"):
        raise RemoteProtocolError("the pickle calls _codecs.encode with something other than text and latin1")
    return text.encode("latin-1")


def _no_bytes(*arguments: Any) -> bytes:
    # How protocol 2 writes an empty byte string, as in an array without elements.
    if arguments:
        raise RemoteProtocolError("the pickle calls bytes with arguments")
    return b""


def _reconstruct(kind: Any, shape: Any, typecode: Any) -> Unfilled:
    is_plain = kind is _NDARRAY and type(shape) is tuple and isinstance(typecode, (bytes, memoryview))
    if not is_plain or shape != (0,) or typecode != b"b":
        raise RemoteProtocolError("the pickle reconstructs something that is not a plain array")
    return Unfilled()


def _not_callable(*_: Any) -> None:
    raise RemoteProtocolError("the pickle calls numpy.ndarray itself, which no array is written with")


def _dtype(code: Any, align: Any = False, copy: Any = False) -> Unfilled:
    if type(code) is not str or not _DTYPE.fullmatch(code) or not {type(align), type(copy)} <= {bool, int}:
        raise RemoteProtocolError(
            f"the pickle has an array of dtype {code!s:.40}; only booleans, numbers and text are allowed"
        )
    return Unfilled(np.dtype(code))


_BYTE_ORDERS: dict[str, Literal["<", ">", "|", "="]] = {"<": "<", ">": ">", "|": "|", "=": "="}


def with_byte_order(dtype: np.dtype[Any], state: tuple[Any, ...]) -> np.dtype[Any]:
    """Return the dtype in the byte order that its state says."""
    is_plain = len(state) == 8 and state[0] == 3 and all(field is None for field in state[2:5])
    order = _BYTE_ORDERS.get(state[1]) if is_plain and type(state[1]) is str else None
    if order is None:
        raise RemoteProtocolError("the pickle has a dtype that is not a plain number or text")
    if dtype.kind in "SU" and state[5] != dtype.itemsize:
        raise RemoteProtocolError(f"the pickle has a dtype {dtype.str} of {state[5]} bytes")
    return dtype.newbyteorder(order)


def array_of_state(state: tuple[Any, ...]) -> np.ndarray[Any, Any]:
    """Return the array that a state describes, sharing the memory of its content."""
    if len(state) != 5 or state[0] != 1:
        raise RemoteProtocolError("the pickle has an array whose state is not (1, shape, dtype, order, bytes)")
    _, shape, dtype, fortran, content = state
    return _array(content, dtype, shape, "F" if fortran else "C")


def _array(content: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray[Any, Any]:
    kind = _dtype_of(dtype)
    if not isinstance(content, (bytes, memoryview)):
        raise RemoteProtocolError(f"the pickle has an array whose content is {kind_of(content)}, not bytes")
    if type(shape) is not tuple or not all(type(n) is int and 0 <= n < 2**40 for n in shape) or len(shape) > 32:
        raise RemoteProtocolError("the pickle has an array whose shape is not a tuple of at most 32 lengths")
    expected = math.prod(shape) * kind.itemsize
    if len(content) != expected:
        raise RemoteProtocolError(
            f"the pickle has an array of {len(content)} bytes where shape {shape} of {kind.str} asks for {expected}"
        )
    if type(order) is not str or order not in ("C", "F"):
        raise RemoteProtocolError("the pickle has an array whose order is neither C nor F")
    flat = np.frombuffer(content, kind)
    if kind.kind == "U" and flat.size and flat.view(kind.str[0] + "u4").max() > sys.maxunicode:
        raise RemoteProtocolError("the pickle has an array of text with characters that do not exist")
    made = flat.reshape(shape, order="F" if order == "F" else "C")
    made.flags.writeable = False
    return made


def _scalar(dtype: Any, content: Any) -> Any:
    return _array(content, dtype, (1,))[0]


def _dtype_of(value: Any) -> np.dtype[Any]:
    if not isinstance(value, Unfilled) or value.dtype is None or not value.dtype.itemsize:
        raise RemoteProtocolError(f"the pickle has an array whose dtype is {kind_of(value)}")
    return value.dtype


def kind_of(value: Any) -> str:
    """Return what to call a value in an error text."""
    return "a global" if isinstance(value, Global) else type(value).__name__.lstrip("_").lower()


_NDARRAY = Global("numpy.ndarray", _not_callable)

_GLOBALS: dict[tuple[str, str], Global] = {
    ("collections", "OrderedDict"): Global("OrderedDict", _ordered_dict),
    ("_codecs", "encode"): Global("_codecs.encode", _encode),
    ("__builtin__", "bytes"): Global("bytes", _no_bytes),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Global("numpy.dtype", _dtype),
    **{(module, "_reconstruct"): Global("_reconstruct", _reconstruct) for module in _ARRAY_MODULES},
    **{(module, "scalar"): Global("scalar", _scalar) for module in _ARRAY_MODULES},
    **{(module, "_frombuffer"): Global("_frombuffer", _array) for module in _BUFFER_MODULES},
}
