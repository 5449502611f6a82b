"""AlbaEM."""

from penstock.compat.dranspose.served.data.albaem import AlbaemData, AlbaemEnd, AlbaemPacket, AlbaemStart
from penstock.compat.dranspose.served.event import StreamData
from penstock.compat.dranspose.served.middlewares.frames import check, json_of

__all__ = ["parse"]


def parse(data: StreamData) -> AlbaemStart | AlbaemData | AlbaemEnd:
    """Return one reading, or what comes before or behind them.

    Raises
    ------
    ValueError
        If it is none.
    """
    check(data, "albaem", 1)
    return AlbaemPacket.validate_json(json_of(data.frames[0]))
