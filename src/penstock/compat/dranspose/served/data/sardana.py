"""Sardana's records, as they are posted over HTTP."""

from typing import Literal

from penstock.compat.dranspose.served.data.packet import Packet, stream_data
from penstock.compat.dranspose.served.event import StreamData
from penstock.extra import extra

with extra("run"):
    from pydantic import TypeAdapter

__all__ = ["SardanaBase", "SardanaDataDescription", "SardanaPacket", "SardanaRecordData", "SardanaRecordEnd"]


class SardanaBase(Packet):
    """Any record."""

    def to_stream_data(self) -> StreamData:
        """Return it as a source gives it."""
        return stream_data("sardana", self.without())


class SardanaDataDescription(SardanaBase):
    """Before the points."""

    type: Literal["DataDescription"] = "DataDescription"
    serialno: int
    scandir: str | None = None
    title: str


class SardanaRecordData(SardanaBase):
    """One point; columns by name."""

    type: Literal["RecordData"] = "RecordData"
    timestamp: float
    """s since the start."""


class SardanaRecordEnd(SardanaBase):
    """Behind the points."""

    type: Literal["RecordEnd"] = "RecordEnd"


SardanaPacket: TypeAdapter[SardanaDataDescription | SardanaRecordData | SardanaRecordEnd] = TypeAdapter(
    SardanaDataDescription | SardanaRecordData | SardanaRecordEnd
)
