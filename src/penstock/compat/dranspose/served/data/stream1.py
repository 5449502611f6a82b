"""STINS, the image stream of MAX IV's detectors: a JSON header and, for images, the pixels."""

from typing import Literal

from penstock.compat.dranspose.served.data.packet import Packet, pixels, stream_data
from penstock.compat.dranspose.served.event import StreamData
from penstock.extra import extra

with extra("run"):
    from pydantic import TypeAdapter

__all__ = ["Stream1", "Stream1Data", "Stream1End", "Stream1Packet", "Stream1Start"]


class Stream1(Packet):
    """Any STINS packet."""

    msg_number: int

    def to_stream_data(self) -> StreamData:
        """Return it as a detector sends it."""
        more = [pixels(self.model_extra["data"])] if self.model_extra and "data" in self.model_extra else []
        return stream_data("STINS", self.without("data"), *more)


class Stream1Start(Stream1):
    """Before the images."""

    htype: Literal["header"] = "header"
    filename: str


class Stream1Data(Stream1):
    """An image; ``data`` holds its pixels where they are not compressed."""

    htype: Literal["image"] = "image"
    frame: int
    shape: list[int]
    type: str
    compression: str


class Stream1End(Stream1):
    """Behind the images."""

    htype: Literal["series_end"] = "series_end"


Stream1Packet: TypeAdapter[Stream1Start | Stream1Data | Stream1End] = TypeAdapter(
    Stream1Start | Stream1Data | Stream1End
)
