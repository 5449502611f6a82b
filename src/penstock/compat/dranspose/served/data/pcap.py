"""PandABox over ZeroMQ: JSON, one point a message."""

from datetime import datetime
from typing import Literal

from penstock.compat.dranspose.served.data.packet import Packet, stream_data
from penstock.compat.dranspose.served.event import StreamData
from penstock.extra import extra

with extra("run"):
    from pydantic import TypeAdapter

__all__ = ["PCAPBase", "PCAPData", "PCAPEnd", "PCAPPacket", "PCAPStart"]


class PCAPBase(Packet):
    """Any packet."""

    message_id: int
    version: Literal[1] = 1

    def to_stream_data(self) -> StreamData:
        """Return it as it is sent."""
        return stream_data("PCAP", self.without())


class PCAPStart(PCAPBase):
    """Before the points."""

    message_type: Literal["series-start"] = "series-start"
    arm_time: datetime


class PCAPData(PCAPBase):
    """One point; captured fields by name."""

    message_type: Literal["data"] = "data"
    frame_number: int


class PCAPEnd(PCAPBase):
    """Behind the points."""

    message_type: Literal["series-end"] = "series-end"


PCAPPacket: TypeAdapter[PCAPStart | PCAPData | PCAPEnd] = TypeAdapter(PCAPStart | PCAPData | PCAPEnd)
