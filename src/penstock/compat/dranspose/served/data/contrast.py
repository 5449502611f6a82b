"""Contrast, the scan software of NanoMAX and SoftiMAX: a dictionary, pickled."""

from typing import Literal

from penstock.compat.dranspose.pickled import pickled
from penstock.compat.dranspose.served.data.packet import Packet, stream_data
from penstock.compat.dranspose.served.event import StreamData
from penstock.extra import extra

with extra("run"):
    from pydantic import TypeAdapter

__all__ = [
    "ContrastBase", "ContrastFinished", "ContrastHeartbeat", "ContrastPacket", "ContrastRunning", "ContrastStarted",
]  # fmt: skip


class ContrastBase(Packet):
    """Any packet of Contrast."""

    def to_stream_data(self) -> StreamData:
        """Return it as Contrast sends it."""
        return stream_data("contrast", pickled(self.model_dump()))


class ContrastStarted(ContrastBase):
    """Before the points."""

    status: Literal["started"] = "started"
    path: str
    scannr: int
    description: str


class ContrastRunning(ContrastBase):
    """One point; motors and detectors by name."""

    status: Literal["running"] = "running"
    dt: float


class ContrastFinished(ContrastBase):
    """Behind the points."""

    status: Literal["finished"] = "finished"
    path: str
    scannr: int
    description: str


class ContrastHeartbeat(ContrastBase):
    """Says only that Contrast is there."""

    status: Literal["heartbeat"] = "heartbeat"


ContrastPacket: TypeAdapter[ContrastStarted | ContrastRunning | ContrastFinished | ContrastHeartbeat] = TypeAdapter(
    ContrastStarted | ContrastRunning | ContrastFinished | ContrastHeartbeat
)
