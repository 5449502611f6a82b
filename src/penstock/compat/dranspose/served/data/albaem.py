"""AlbaEM, the electrometer: JSON, one reading a message."""

from typing import Any, Literal

from penstock.compat.dranspose.served.data.packet import Packet, stream_data
from penstock.compat.dranspose.served.event import StreamData
from penstock.extra import extra

with extra("run"):
    from pydantic import Field, TypeAdapter

__all__ = ["AlbaemBase", "AlbaemData", "AlbaemEnd", "AlbaemPacket", "AlbaemStart"]


class AlbaemBase(Packet):
    """Any packet."""

    message_id: int
    version: Literal[1] = 1

    def to_stream_data(self) -> StreamData:
        """Return it as it is sent."""
        return stream_data("albaem", self.without())


class AlbaemStart(AlbaemBase):
    """Before the readings."""

    message_type: Literal["series-start"] = "series-start"


class AlbaemData(AlbaemBase):
    """One reading; channels by name, and times."""

    message_type: Literal["data"] = "data"
    frame_number: int
    timestamp: float
    """s since 1970 UTC."""
    acquisition_timestamp: int
    """ns since 1970 UTC."""


class AlbaemEnd(AlbaemBase):
    """Behind the readings."""

    message_type: Literal["series-end"] = "series-end"
    detector_specific: dict[str, Any] = Field(default_factory=dict)


AlbaemPacket: TypeAdapter[AlbaemStart | AlbaemData | AlbaemEnd] = TypeAdapter(AlbaemStart | AlbaemData | AlbaemEnd)
