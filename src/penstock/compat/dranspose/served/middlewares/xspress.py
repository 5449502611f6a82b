"""Xspress3."""

from typing import Final

import numpy as np

from penstock.compat.dranspose.served.data.xspress3 import XspressEnd, XspressImage, XspressPacket, XspressStart
from penstock.compat.dranspose.served.event import StreamData
from penstock.compat.dranspose.served.middlewares.frames import check, json_of, plain_of, raw_of

__all__ = ["parse"]

SCALERS: Final = (
    "ocr", "AllEvents", "AllGood", "ClockTicks", "TotalTicks", "ResetTicks", "event_widths", "dtc", "window_counts",
)  # fmt: skip
"""In the order in which they are sent; the last is missing in older streams."""


def parse(data: StreamData) -> XspressStart | XspressImage | XspressEnd:
    """Return a packet of Xspress3; an image has ``data``, (channels, bins) in counts, and ``meta``, scalers by name.

    Raises
    ------
    ValueError, RemoteProtocolError
        If it is none, or its pickle holds more than plain values and arrays.
    """
    check(data, "xspress")
    packet = XspressPacket.validate_json(json_of(data.frames[0]))
    if isinstance(packet, XspressImage):
        check(data, "xspress", 3)
        packet.data = np.frombuffer(raw_of(data.frames[1]), packet.type).reshape(packet.shape)  # type: ignore[attr-defined]
        packet.meta = dict(zip(SCALERS, plain_of(data.frames[2]), strict=False))  # type: ignore[attr-defined]
    return packet
