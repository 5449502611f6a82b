"""Values of the closed list as bytes and back: MessagePack, with an extension type where it loses the type.

Nothing here imports a module or runs a constructor because bytes say so: dataclasses are only filled in if their class
is loaded already, registered types only through what was registered.

What is plain in MessagePack (None, bool, 64-bit int, float, text, bytes, list, dict with text keys) is written plainly.
An extension holds, after its code: numbers and text as ASCII or ISO 8601, containers as the MessagePack array of their
items, an array as the length of its header (u32, little endian), the header [dtype, shape] and its bytes in C order; an
array that was placed elsewhere as [dtype, shape, place].
"""

import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from math import prod
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.msgpack import Ext
from numpy.typing import NDArray

from penstock.core.timestamp import Timestamp
from penstock.core.values import registered, registered_name, type_name
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.dtypes import dtype_from, plain_dtype

__all__ = ["FetchArray", "PlaceArray", "ResolveType", "ValueWriter", "decode_value", "encode_value", "loaded_type"]

ResolveType = Callable[[str, str], type | None]
"""(module, qualified name) → the dataclass, ``None`` if it is not to be had."""

PlaceArray = Callable[[NDArray[Any]], int | None]
"""An array → where its bytes will lie outside the value; ``None`` if they stay inside."""

FetchArray = Callable[[np.dtype[Any], tuple[int, ...], int], NDArray[Any]]
"""(dtype, shape, place) → an array that was placed outside the value."""

_LENGTH: Final = struct.Struct("<I")
_COMPLEX: Final = struct.Struct("<dd")
_NS: Final = struct.Struct("<q")
_DELTA: Final = struct.Struct("<iii")
_PLAIN: Final = frozenset({type(None), bool, float, str, bytes})


class _Code(IntEnum):
    """The extension types; never renumbered, because files hold them."""

    INT = 1
    COMPLEX = 2
    TUPLE = 3
    SET = 4
    FROZENSET = 5
    DICT = 6
    ARRAY = 7
    SCALAR = 8
    DATETIME = 9
    DATE = 10
    TIMEDELTA = 11
    TIMESTAMP = 12
    DATACLASS = 13
    REGISTERED = 14
    PLACED = 15


def encode_value(value: Any, place: PlaceArray | None = None) -> bytes:
    """Write a value that ``check_value`` lets pass.

    Parameters
    ----------
    value
        What user code returned.
    place
        Asked for every array in it, at any depth; by default all stay inside.

    Raises
    ------
    ResultTypeError
        If it is not on the closed list after all, or holds text that is not Unicode.
    """
    return (_WRITER if place is None else ValueWriter(place)).write(value)


def decode_value(data: bytes | memoryview, resolve: ResolveType | None = None, fetch: FetchArray | None = None) -> Any:
    """Read a value; arrays are read-only views of ``data``.

    Parameters
    ----------
    data
        What ``encode_value`` wrote.
    resolve
        Finds dataclasses; by default among the modules that are loaded.
    fetch
        Finds arrays that were placed outside; by default there may be none.

    Raises
    ------
    RemoteProtocolError
        If the bytes are anything else.
    """
    reader = _READER if resolve is None and fetch is None else _Reader(resolve or loaded_type, fetch)
    try:
        return reader.read(data)
    except RemoteProtocolError:
        raise
    # what a decoder raises on hostile bytes has no common root but this; the reader runs no code that bytes choose
    except Exception as error:
        raise RemoteProtocolError(f"{len(data)} bytes are not a value: {type(error).__name__}: {error}") from error
    finally:
        if reader is not _READER:
            reader.close()


def loaded_type(module: str, name: str) -> type | None:
    """Find a dataclass in a module that is loaded; never loads one."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _raw(code: _Code, data: bytes) -> Ext:
    return Ext(int(code), data)


def _ext(code: _Code, content: Any) -> Ext:
    return _raw(code, msgspec.msgpack.encode(content))


def _int(value: int) -> Any:
    return (
        value
        if -(2**63) <= value < 2**64
        else _raw(_Code.INT, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
    )


def _array_bytes(array: np.ndarray[Any, Any]) -> bytes:
    header = msgspec.msgpack.encode([plain_dtype(array.dtype), array.shape])
    return b"".join((_LENGTH.pack(len(header)), header, array.tobytes()))


_LEAVES: Final[Mapping[type, Callable[[Any], Any]]] = {
    int: _int,
    complex: lambda value: _raw(_Code.COMPLEX, _COMPLEX.pack(value.real, value.imag)),
    datetime: lambda value: _raw(_Code.DATETIME, value.isoformat().encode()),
    date: lambda value: _raw(_Code.DATE, value.isoformat().encode()),
    timedelta: lambda value: _raw(_Code.TIMEDELTA, _DELTA.pack(value.days, value.seconds, value.microseconds)),
    Timestamp: lambda value: _raw(_Code.TIMESTAMP, _NS.pack(value.ns)),
}


class ValueWriter:
    """Writes values, one after another; see `encode_value`. To make one takes longer than to write a small value."""

    def __init__(self, place: PlaceArray | None) -> None:
        self._place = place
        self._packers: Mapping[type, Callable[[Any], Any]] = {
            **_LEAVES,
            list: self._list,
            dict: self._dict,
            tuple: self._items(_Code.TUPLE),
            set: self._items(_Code.SET),
            frozenset: self._items(_Code.FROZENSET),
            np.ndarray: self._array,
        }

    def write(self, value: Any) -> bytes:
        """Return one value as bytes; raises as `encode_value`."""
        try:
            return msgspec.msgpack.encode(self.packed(value))
        except (UnicodeEncodeError, RecursionError) as error:
            raise ResultTypeError(f"a result cannot be written: {error}; return text that is valid Unicode") from error

    def packed(self, value: Any) -> Any:
        """Return a value as MessagePack knows it."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        pack = self._packers.get(kind)
        if pack is not None:
            return pack(value)
        entry = registered(kind)
        if entry is not None:
            return _ext(_Code.REGISTERED, [type_name(kind), self.packed(entry.encode(value))])
        if isinstance(value, np.generic):
            return _raw(_Code.SCALAR, _array_bytes(np.asarray(value)))
        if is_dataclass(value) and not isinstance(value, type):
            content = {field.name: self.packed(getattr(value, field.name)) for field in fields(value)}
            return _ext(_Code.DATACLASS, [kind.__module__, kind.__qualname__, content])
        raise ResultTypeError(f"a result holds a {type_name(kind)}, which cannot travel between processes")

    def _list(self, value: list[Any]) -> Any:
        return value if set(map(type, value)) <= _PLAIN else [self.packed(item) for item in value]

    def _dict(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str for key in value):
            return {key: self.packed(item) for key, item in value.items()}
        return _ext(_Code.DICT, [[self.packed(key), self.packed(item)] for key, item in value.items()])

    def _items(self, code: _Code) -> Callable[[Any], Ext]:
        return lambda value: _ext(code, [self.packed(item) for item in value])

    def _array(self, value: NDArray[Any]) -> Ext:
        place = None if self._place is None else self._place(value)
        if place is None:
            return _raw(_Code.ARRAY, _array_bytes(value))
        return _ext(_Code.PLACED, [plain_dtype(value.dtype), value.shape, place])


class _Reader:
    """Reads values; knows where dataclasses and placed arrays come from."""

    def __init__(self, resolve: ResolveType, fetch: FetchArray | None = None) -> None:
        self._resolve = resolve
        self._fetch = fetch
        self._decoder = msgspec.msgpack.Decoder(ext_hook=self._extension)
        self._readers: Mapping[int, Callable[[memoryview], Any]] = {
            _Code.INT: lambda data: int.from_bytes(data, "little", signed=True),
            _Code.COMPLEX: lambda data: complex(*_COMPLEX.unpack(data)),
            _Code.TUPLE: lambda data: tuple(self._list(data)),
            _Code.SET: lambda data: set(self._list(data)),
            _Code.FROZENSET: lambda data: frozenset(self._list(data)),
            _Code.DICT: lambda data: dict(self._list(data)),
            _Code.ARRAY: _array,
            _Code.SCALAR: lambda data: _array(data)[()],
            _Code.DATETIME: lambda data: datetime.fromisoformat(str(data, "ascii")),
            _Code.DATE: lambda data: date.fromisoformat(str(data, "ascii")),
            _Code.TIMEDELTA: lambda data: timedelta(*_DELTA.unpack(data)),
            _Code.TIMESTAMP: lambda data: Timestamp(*_NS.unpack(data)),
            _Code.DATACLASS: self._dataclass,
            _Code.REGISTERED: self._registered,
            _Code.PLACED: self._placed,
        }

    def read(self, data: bytes | memoryview) -> Any:
        return self._decoder.decode(data)

    def close(self) -> None:
        """Let go of everything now: it refers to itself, and may hold a slot until the garbage collector comes by."""
        del self._decoder, self._readers, self._fetch

    def _extension(self, code: int, data: memoryview) -> Any:
        reader = self._readers.get(code)
        if reader is None:
            raise RemoteProtocolError(f"extension type {code} is unknown; there are 1 to {max(_Code)}")
        return reader(data)

    def _list(self, data: memoryview) -> list[Any]:
        content = self.read(data)
        if type(content) is not list:
            raise RemoteProtocolError(f"a container holds a {type(content).__name__} where its items should be")
        return content

    def _dataclass(self, data: memoryview) -> Any:
        module, name, content = self._list(data)
        cls = self._resolve(module, name)
        if cls is None or not is_dataclass(cls):
            raise RemoteProtocolError(f"dataclass {module}.{name} is not loaded here; import its module before reading")
        if {field.name for field in fields(cls)} != set(content):
            raise RemoteProtocolError(f"dataclass {module}.{name} has other fields here: not {', '.join(content)}")
        made = object.__new__(cls)  # not by calling it: bytes must not choose code to run
        for key, item in content.items():
            object.__setattr__(made, key, item)
        return made

    def _registered(self, data: memoryview) -> Any:
        name, content = self._list(data)
        entry = registered_name(name)
        if entry is None:
            raise RemoteProtocolError(f"{name} is not registered here; import the module that registers it first")
        return entry.decode(content)

    def _placed(self, data: memoryview) -> Any:
        plain, shape, place = msgspec.msgpack.decode(data, type=tuple[Any, tuple[int, ...], int])
        if self._fetch is None:
            raise RemoteProtocolError("an array was placed outside the value, where nothing can lie")
        return self._fetch(dtype_from(plain), shape, place)


def _array(data: memoryview) -> Any:
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    plain, shape = msgspec.msgpack.decode(data[_LENGTH.size : start], type=tuple[Any, tuple[int, ...]])
    dtype = dtype_from(plain)
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(data) - start:
        raise RemoteProtocolError(f"{len(data) - start} bytes are no array of shape {shape} and dtype {dtype}")
    if not dtype.itemsize or not len(data) - start:
        return np.empty(shape, dtype)
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


_WRITER: Final = ValueWriter(None)
_READER: Final = _Reader(loaded_type)
