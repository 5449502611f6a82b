"""Contrast, the scan software of NanoMAX and SoftiMAX: ZeroMQ messages of one part, a pickled dictionary.

============  ======================================================================================
``status``    further keys
============  ======================================================================================
started       ``path``, ``scannr`` int, ``description``, ``snapshot`` {motor: value}
running       one point: ``dt`` in s, motors by name, detectors by name (a dictionary of arrays, or a
              link to a file)
finished      as started
heartbeat     none; sent now and then, in any state
============  ======================================================================================

A point has no number and no time of its own, so that a lost one cannot be seen from this stream alone.
"""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.core.decoder import Decoder, Traits
from penstock.core.message import Kind, Message
from penstock.core.unpickle import unpickle
from penstock.errors import RemoteProtocolError

__all__ = ["ContrastDecoder", "encode_end", "encode_heartbeat", "encode_point", "encode_start"]

_KINDS = {"started": Kind.START, "running": Kind.DATA, "finished": Kind.END}


class ContrastDecoder(Decoder):
    """Decode Contrast's packets: a message each, but for heartbeats, which are counted.

    ``metadata`` is the dictionary as it came; a position such as ``metadata["pseudo"]["x"]`` is an array of shape (1,)
    in the motor's unit. There is no ``key`` and no ``array``.
    """

    traits = Traits(pickled=True, socket="sub")

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode one packet; see the class."""
        if len(parts) != 1:
            raise RemoteProtocolError(f"a packet of {len(parts)} parts; 1 would be right")
        metadata = unpickle(parts[0])
        if not isinstance(metadata, dict) or not all(isinstance(key, str) for key in metadata):
            raise RemoteProtocolError("the pickle is not a dictionary with text keys")
        status = metadata.get("status")
        if status == "heartbeat":
            self.heartbeats += 1
            return iter(())
        kind = _KINDS.get(status) if isinstance(status, str) else None
        if kind is None:
            raise RemoteProtocolError(f"status {str(status)[:40]!r} is none of started, running, finished, heartbeat")
        return iter((Message(0, None, received_ns, metadata, kind=kind),))


def _encode(fields: Mapping[str, Any], protocol: int = 4) -> list[bytes]:
    return [pickle.dumps(dict(fields), protocol=protocol)]


def encode_start(scannr: int, *, path: str = "", description: str = "", **snapshot: float) -> list[bytes]:
    """Return the packet before the points; ``snapshot`` are motors' positions by name."""
    return _encode(
        {"status": "started", "path": path, "scannr": scannr, "description": description, "snapshot": snapshot}
    )


def encode_point(dt: float = 0.0, /, **fields: Any) -> list[bytes]:
    """Return the packet of one point, ``dt`` s after the start."""
    return _encode({**fields, "dt": dt, "status": "running"})


def encode_end(scannr: int, *, path: str = "", description: str = "", **snapshot: float) -> list[bytes]:
    """Return the packet after the points."""
    return _encode(
        {"status": "finished", "path": path, "scannr": scannr, "description": description, "snapshot": snapshot}
    )


def encode_heartbeat() -> list[bytes]:
    """Return the packet that says only that Contrast is there."""
    return _encode({"status": "heartbeat"})
