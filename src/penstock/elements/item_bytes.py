"""Items as bytes and back, for elements that send them to other programs. It knows no socket and no file.

JSON is for everybody; ``penstock`` keeps types, arrays and messages as they are.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import numpy as np

from penstock.core.encoded_message import encoded_message
from penstock.core.encoding import encodings_from, plain_encodings
from penstock.core.message import Kind, Message, flaw_of
from penstock.elements.item_field import field_of
from penstock.elements.plain_item import json_of
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.values import decode_value, encode_value

__all__ = ["Encoding", "bytes_to_item", "item_to_bytes", "key_bytes"]

Encoding = Literal["json", "text", "bytes", "penstock"]
"""How an item is written: JSON, UTF-8 text, bytes as they are, or with every type that a result may have."""

_MESSAGE: Final = b"\xc1"
"""Before a message; no value begins so, because MessagePack never uses this byte."""


def item_to_bytes(encoding: Encoding) -> Callable[[Any], bytes]:
    """Return what writes an item.

    In JSON, arrays are lists, bytes are base64, times are ISO 8601, dataclasses and messages are objects, and NaN and
    infinities, which JSON does not know, are ``null``. What cannot be written is a ``ResultTypeError``.

    >>> item_to_bytes("json")({"I0": 0.5, "roi": np.array([1, 2])})
    b'{"I0":0.5,"roi":[1,2]}'
    """
    return _WRITERS[encoding]


def bytes_to_item(encoding: Encoding) -> Callable[[bytes], Any]:
    """Return what reads an item; it raises ``ValueError`` or ``RemoteProtocolError`` for bytes that are none.

    >>> bytes_to_item("json")(b'{"I0": 0.5}')
    {'I0': 0.5}
    """
    return _READERS[encoding]


def key_bytes(item: Any, field: str) -> bytes | None:
    """Return the field of an item that is its key; ``None`` if no field is named.

    >>> key_bytes({"detector": 7}, "detector")
    b'7'

    Raises
    ------
    LookupError
        If there is no such field.
    ValueError
        If it is neither text, bytes nor a whole number.
    """
    if not field:
        return None
    found = field_of(item, field)
    if isinstance(found, bytes):
        return found
    if isinstance(found, bool) or not isinstance(found, str | int | np.integer):
        raise ValueError(f"its {field} is {found!r}, and a key must be text, bytes or a whole number")
    return str(found).encode()


def _write_text(item: Any) -> bytes:
    try:
        return str(item).encode()
    except UnicodeEncodeError as error:
        raise ResultTypeError(f"text that is no Unicode: {error}") from error


def _write_bytes(item: Any) -> bytes:
    if isinstance(item, str):
        raise ResultTypeError("text is no bytes; write encoding: text")
    try:
        return bytes(memoryview(item))
    except (TypeError, ValueError, BufferError) as error:
        raise ResultTypeError(f"a {type(item).__name__} is no bytes; write encoding: json, or penstock") from error


def _write_penstock(item: Any) -> bytes:
    if not isinstance(item, Message):
        return encode_value(item)
    said = [item.id, item.key, item.timestamp_ns, dict(item.metadata), list(item.buffers), int(item.kind)]
    if any(item.encodings):
        said.append(plain_encodings(item.encodings))
    return _MESSAGE + encode_value(said)


def _read_json(data: bytes) -> Any:
    try:
        return json.loads(data)  # unlike msgspec it reads NaN, which Python's own writer writes
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error


def _read_penstock(data: bytes) -> Any:
    if not data.startswith(_MESSAGE):
        return decode_value(data)
    said = decode_value(memoryview(data)[1:])
    try:
        number, key, timestamp_ns, metadata, buffers, kind, *encodings = said
        first, *more = buffers or [None]
        message = Message(
            int(number), key, timestamp_ns, metadata, first, tuple(more), Kind(kind), encodings_from(*encodings)
        )
    except (TypeError, ValueError) as error:
        raise RemoteProtocolError(f"{len(data)} bytes are no message: {error}") from error
    if flaw := flaw_of(message):
        raise RemoteProtocolError(f"{len(data)} bytes are no message: {flaw}")
    return encoded_message(message)


_WRITERS: Final[Mapping[str, Callable[[Any], bytes]]] = {
    "json": json_of,
    "text": _write_text,
    "bytes": _write_bytes,
    "penstock": _write_penstock,
}
_READERS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "json": _read_json,
    "text": lambda data: data.decode(),
    "bytes": bytes,
    "penstock": _read_penstock,
}
