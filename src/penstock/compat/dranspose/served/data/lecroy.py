"""LeCroy's oscilloscopes: sequences of traces."""

from enum import IntEnum
from typing import Any, Final, Literal

from penstock.compat.dranspose.served.data.packet import Packet, stream_data
from penstock.compat.dranspose.served.event import StreamData
from penstock.extra import extra

with extra("run"):
    from pydantic import Field, TypeAdapter

__all__ = [
    "LECROY_TYPE", "LecroyBase", "LecroyData", "LecroyEnd", "LecroyPacket", "LecroyParsed", "LecroyPrepare",
    "LecroySeqEnd", "LecroySeqStart", "WhatEnum",
]  # fmt: skip

LECROY_TYPE: Final = "lecroy_9fwdWp6Rq7"


class WhatEnum(IntEnum):
    """Which message it is."""

    PREPARE = 0
    START = 1
    SEQEND = 2
    STOP = 3


class LecroyBase(Packet):
    """Any packet."""

    frame: int

    def to_stream_data(self) -> StreamData:
        """Return it as it is sent."""
        return stream_data(LECROY_TYPE, self.without())


class LecroyPrepare(LecroyBase):
    """Before everything."""

    htype: Literal["msg"] = "msg"
    what: Literal[WhatEnum.PREPARE]


class LecroySeqStart(LecroyBase):
    """Before a sequence; ``ntriggers`` is -1 in continuous mode."""

    htype: Literal["msg"] = "msg"
    what: Literal[WhatEnum.START]
    ntriggers: int
    seqno: int
    channels: list[int]


class LecroySeqEnd(LecroyBase):
    """Behind a sequence."""

    htype: Literal["msg"] = "msg"
    what: Literal[WhatEnum.SEQEND]


class LecroyEnd(LecroyBase):
    """Behind everything."""

    frames: int
    what: Literal[WhatEnum.STOP]


class LecroyData(LecroyBase):
    """What is said of the traces of one channel."""

    htype: Literal["traces"] = "traces"
    ch: int
    ts: float
    """s since 1970 UTC."""
    shape: list[int]
    """Segments, points."""
    dtype: str
    horiz_offset: float
    """s."""
    horiz_interval: float
    """s."""


class LecroyParsed(LecroySeqStart):
    """A whole sequence, a list entry for each channel."""

    meta: list[LecroyData] = Field(default_factory=list)
    data: list[Any] = Field(default_factory=list)
    """(segments, points) each."""
    timestamps: list[list[float]] = Field(default_factory=list)
    """(segments,) each, s since 1970 UTC."""


LecroyPacket: TypeAdapter[Any] = TypeAdapter(LecroyPrepare | LecroySeqStart | LecroyEnd | LecroySeqEnd | LecroyData)
