"""Sardana."""

from penstock.compat.dranspose.served.data.sardana import (
    SardanaDataDescription,
    SardanaPacket,
    SardanaRecordData,
    SardanaRecordEnd,
)
from penstock.compat.dranspose.served.event import StreamData
from penstock.compat.dranspose.served.middlewares.frames import check, json_of

__all__ = ["parse"]


def parse(data: StreamData) -> SardanaDataDescription | SardanaRecordData | SardanaRecordEnd:
    """Return one record, or what comes before or behind them.

    Raises
    ------
    ValueError
        If it is none.
    """
    check(data, "sardana", 1)
    return SardanaPacket.validate_json(json_of(data.frames[0]))
