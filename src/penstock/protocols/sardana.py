"""Sardana, the scan software, as its recorder posts a scan over HTTP: JSON objects, one a request.

===============  ==========================================================================================
data_desc        ``{"serialno": int, "scandir": text, "title": text, …}``: before the points, with
                 ``column_desc``, ``ref_moveables``, ``starttime`` and more
record_data      ``{"timestamp": s since the start, "point_nb": int, COLUMN: value…}``: one point
record_end       an object, mostly empty: after the points
custom_data      anything; it is passed over
===============  ==========================================================================================

Of a point only its ``timestamp`` is sure to be there, so it has no number.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from penstock.core.decoder import Decoder, Traits
from penstock.core.image_header import flat_object
from penstock.core.message import Kind, Message
from penstock.errors import RemoteProtocolError

__all__ = ["REQUESTS", "SardanaDecoder", "encode_custom", "encode_end", "encode_point", "encode_start"]

_START, _POINT, _END, _CUSTOM = "data_desc", "record_data", "record_end", "custom_data"
REQUESTS = (_START, _POINT, _END, _CUSTOM)
"""What is posted, as the end of its path: ``/v1/data_desc``."""
_KINDS = {_START: Kind.START, _POINT: Kind.DATA, _END: Kind.END}
_NUMBER = (int, float)
_WANTED: Mapping[str, Mapping[str, tuple[tuple[type, ...], str]]] = {
    _START: {"serialno": ((int,), "a whole number"), "scandir": ((str,), "a text"), "title": ((str,), "a text")},
    _POINT: {"timestamp": (_NUMBER, "a number of seconds")},
}


class SardanaDecoder(Decoder):
    """Decode Sardana's requests: a packet is the body and, as its second part, what it is, one of `REQUESTS`.

    Each is one message, but for ``custom_data``, which is counted as filtered. ``metadata`` is the object as it came;
    there is no ``key`` and no ``array``. The time is that of reception, because Sardana's counts from a start whose
    time it says without a zone.
    """

    traits = Traits(socket="http")

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode one request; see the class."""
        if len(parts) != 2:
            raise RemoteProtocolError(f"a packet of {len(parts)} parts; a body and what it is would be right")
        request = bytes(parts[1]).decode("ascii", "replace")
        if request not in REQUESTS:
            raise RemoteProtocolError(f"{request[:40]!r} is none of {', '.join(REQUESTS)}")
        fields = flat_object(parts[0], "the body")
        for name, (types, wanted) in _WANTED.get(request, {}).items():
            if name not in fields:
                raise RemoteProtocolError(f"{name} is missing; {wanted} is due")
            if type(fields[name]) not in types:
                raise RemoteProtocolError(f"{name} is {str(fields[name])[:40]!r}; {wanted} is due")
        if request == _CUSTOM:
            self.heartbeats += 1
            return iter(())
        return iter((Message(0, None, received_ns, fields, kind=_KINDS[request]),))


def _encode(request: str, fields: Mapping[str, Any]) -> list[bytes]:
    return [msgspec.json.encode(fields), request.encode("ascii")]


def encode_start(serialno: int, title: str, *, scandir: str = "", **more: Any) -> list[bytes]:
    """Return the body before the points of a scan, and what it is; ``more`` are further keys."""
    return _encode(_START, {"serialno": serialno, "scandir": scandir, "title": title, **more})


def encode_point(timestamp_s: float, **columns: Any) -> list[bytes]:
    """Return the body of one point, so many seconds after the start, and what it is."""
    return _encode(_POINT, {"timestamp": timestamp_s, **columns})


def encode_end(**more: Any) -> list[bytes]:
    """Return the body after the points, and what it is."""
    return _encode(_END, more)


def encode_custom(**fields: Any) -> list[bytes]:
    """Return a body that is passed over, and what it is."""
    return _encode(_CUSTOM, fields)
