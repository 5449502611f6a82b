"""The JSON message of a series, as MAX IV's slow devices send it: what each must say, whatever else it holds.

========================  ================================================
``message_type``          ``series-start``, ``data`` or ``series-end``
``message_id``            counts the messages
``version``               1
========================  ================================================

Knows neither which instrument sends it nor what its data are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.core.message import MAX_KEY, Kind
from penstock.errors import RemoteProtocolError

__all__ = ["encode_series", "only_part", "series_kind", "series_number"]

VERSION = 1
_KINDS = {"series-start": Kind.START, "data": Kind.DATA, "series-end": Kind.END}
_TYPES = {kind: text for text, kind in _KINDS.items()}


def only_part(parts: Sequence[bytes | memoryview]) -> bytes | memoryview:
    """Return the one part of a packet.

    Raises
    ------
    RemoteProtocolError
        If there are more, or none.
    """
    if len(parts) != 1:
        raise RemoteProtocolError(f"a packet of {len(parts)} parts; 1 would be right")
    return parts[0]


def series_kind(message: Mapping[str, Any]) -> Kind:
    """Return what a message is in its series.

    Raises
    ------
    RemoteProtocolError
        If it does not say so, has another version, or no number.
    """
    kind = _KINDS.get(said) if isinstance(said := message.get("message_type"), str) else None
    if kind is None:
        raise RemoteProtocolError(f"message_type {str(said)[:40]!r} is none of {', '.join(_KINDS)}")
    if message.get("version") != VERSION:
        raise RemoteProtocolError(f"version {str(message.get('version'))[:40]} of a message; {VERSION} can be read")
    if type(message.get("message_id")) is not int:
        raise RemoteProtocolError(f"message_id {str(message.get('message_id'))[:40]!r} is no whole number")
    return kind


def series_number(message: Mapping[str, Any]) -> int:
    """Return the ``frame_number`` of data.

    Raises
    ------
    RemoteProtocolError
        If there is none, or none from 0 to 2**64 - 1.
    """
    number = message.get("frame_number")
    if type(number) is not int or not 0 <= number <= MAX_KEY:
        raise RemoteProtocolError(f"frame_number {str(number)[:40]!r} is no number from 0 to 2**64 - 1")
    return number


def encode_series(kind: Kind, message_id: int, **fields: Any) -> list[bytes]:
    """Return the packet of one message; ``fields`` are all its other keys."""
    head = {"version": VERSION, "message_type": _TYPES[kind], "message_id": message_id}
    return [msgspec.json.encode(head | fields)]
