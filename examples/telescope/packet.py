"""What a packet of the camera is, and how it travels: an Avro record in one ZeroMQ frame."""

import io
from typing import Any

from penstock.extra import extra

with extra("dev"):
    from fastavro import parse_schema, schemaless_reader, schemaless_writer

SCHEMA = parse_schema(
    {
        "type": "record",
        "name": "Packet",
        "fields": [
            {"name": "camera", "type": "int"},
            {"name": "packet", "type": "long", "doc": "counted from 0, of both lanes together"},
            {"name": "trigger_ns", "type": "long", "doc": "since 1970 UTC"},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["shower", "pedestal", "alert"]}},
            {"name": "charges", "type": {"type": "array", "items": "int"}, "doc": "of each pixel, in ADC counts"},
        ],
    }
)


def encoded(packet: dict[str, Any]) -> bytes:
    """Return the packet as bytes.

    >>> packet = {"camera": 1, "packet": 7, "trigger_ns": 0, "kind": "alert", "charges": [301, 299]}
    >>> decoded(encoded(packet)) == packet
    True
    """
    out = io.BytesIO()
    schemaless_writer(out, SCHEMA, packet)
    return out.getvalue()


def decoded(data: bytes) -> dict[str, Any]:
    """Return the packet that was made into these bytes."""
    return dict(schemaless_reader(io.BytesIO(data), SCHEMA, None))
