"""STINS."""

import numpy as np

from penstock.compat.dranspose.served.data.stream1 import Stream1Data, Stream1End, Stream1Packet, Stream1Start
from penstock.compat.dranspose.served.event import StreamData
from penstock.compat.dranspose.served.middlewares.frames import check, json_of, raw_of

__all__ = ["parse"]


def parse(data: StreamData) -> Stream1Start | Stream1Data | Stream1End:
    """Return a STINS packet; an image that is not compressed has its pixels as ``data``, as the header describes them.

    Raises
    ------
    ValueError
        If it is none.
    """
    check(data, "STINS")
    packet = Stream1Packet.validate_json(json_of(data.frames[0]))
    if isinstance(packet, Stream1Data):
        check(data, "STINS", 2)
        if packet.compression == "none":
            packet.data = np.frombuffer(raw_of(data.frames[1]), packet.type).reshape(packet.shape)  # type: ignore[attr-defined]
    return packet
