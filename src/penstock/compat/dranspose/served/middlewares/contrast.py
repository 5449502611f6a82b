"""Contrast."""

from penstock.compat.dranspose.served.data.contrast import (
    ContrastFinished,
    ContrastHeartbeat,
    ContrastPacket,
    ContrastRunning,
    ContrastStarted,
)
from penstock.compat.dranspose.served.event import StreamData
from penstock.compat.dranspose.served.middlewares.frames import check, plain_of

__all__ = ["parse"]


def parse(data: StreamData) -> ContrastStarted | ContrastRunning | ContrastFinished | ContrastHeartbeat:
    """Return a packet of Contrast.

    Raises
    ------
    ValueError, RemoteProtocolError
        If it is none, or its pickle holds more than plain values and arrays.
    """
    check(data, "contrast", 1)
    return ContrastPacket.validate_python(plain_of(data.frames[0]))
