"""Xspress3, the fluorescence detector: a JSON header and, for spectra, the counts and the scalers."""

from typing import Literal

from penstock.compat.dranspose.pickled import pickled
from penstock.compat.dranspose.served.data.packet import Packet, pixels, stream_data
from penstock.compat.dranspose.served.event import StreamData
from penstock.extra import extra

with extra("run"):
    from pydantic import TypeAdapter

__all__ = ["XspressBase", "XspressEnd", "XspressImage", "XspressPacket", "XspressStart"]


class XspressBase(Packet):
    """Any packet of Xspress3."""

    def to_stream_data(self) -> StreamData:
        """Return it as the detector sends it, in one message."""
        more = self.model_extra or {}
        frames = [pixels(more["data"])] if "data" in more else []
        frames += [pickled(list(more["meta"].values()))] if "meta" in more else []
        return stream_data("xspress", self.without("data", "meta"), *frames)


class XspressStart(XspressBase):
    """Before the spectra."""

    htype: Literal["header"] = "header"
    filename: str


class XspressImage(XspressBase):
    """The spectra of all channels; ``data`` holds the counts, ``meta`` the scalers by name."""

    htype: Literal["image"] = "image"
    frame: int
    shape: list[int]
    exptime: float | None = 1
    type: str
    compression: str | None = "none"


class XspressEnd(XspressBase):
    """Behind the spectra."""

    htype: Literal["series_end"] = "series_end"


XspressPacket: TypeAdapter[XspressStart | XspressImage | XspressEnd] = TypeAdapter(
    XspressStart | XspressImage | XspressEnd
)
