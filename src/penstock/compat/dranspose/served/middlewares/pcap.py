"""PandABox over ZeroMQ."""

from penstock.compat.dranspose.served.data.pcap import PCAPData, PCAPEnd, PCAPPacket, PCAPStart
from penstock.compat.dranspose.served.event import StreamData
from penstock.compat.dranspose.served.middlewares.frames import check, json_of

__all__ = ["parse"]


def parse(data: StreamData) -> PCAPStart | PCAPData | PCAPEnd:
    """Return one point, or what comes before or behind them.

    Raises
    ------
    ValueError
        If it is none.
    """
    check(data, "PCAP", 1)
    return PCAPPacket.validate_json(json_of(data.frames[0]))
