"""LeCroy's oscilloscopes."""

import numpy as np

from penstock.compat.dranspose.served.data.lecroy import (
    LECROY_TYPE,
    LecroyBase,
    LecroyData,
    LecroyEnd,
    LecroyPacket,
    LecroyParsed,
    LecroyPrepare,
    LecroySeqStart,
)
from penstock.compat.dranspose.served.event import StreamData
from penstock.compat.dranspose.served.middlewares.frames import check, json_of, plain_of, raw_of

__all__ = ["parse"]


def parse(data: StreamData) -> LecroyBase:
    """Return a sequence of traces, or what comes before or behind all.

    Raises
    ------
    ValueError, RemoteProtocolError
        If it is none, or its pickle holds more than plain values.
    """
    check(data, LECROY_TYPE)
    packet = LecroyPacket.validate_json(json_of(data.frames[0]))
    if isinstance(packet, LecroyPrepare | LecroyEnd):
        return packet
    if not isinstance(packet, LecroySeqStart):
        raise ValueError(f"{LECROY_TYPE}: begins with {type(packet).__name__}, and a sequence with its start")
    check(data, LECROY_TYPE, 2 + 3 * len(packet.channels))
    parsed = LecroyParsed(**packet.model_dump())
    for first in range(1, data.length - 1, 3):
        meta, raw, times = data.frames[first : first + 3]
        traces = LecroyPacket.validate_json(json_of(meta))
        if not isinstance(traces, LecroyData):
            raise ValueError(f"{LECROY_TYPE}: frame {first} is {type(traces).__name__}; what is said of traces is due")
        parsed.meta.append(traces)
        parsed.data.append(np.frombuffer(raw_of(raw), traces.dtype).reshape(traces.shape))
        parsed.timestamps.append([float(time) for time in plain_of(times)])
    return parsed
