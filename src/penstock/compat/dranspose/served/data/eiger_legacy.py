"""Eiger's stream of version 1, with all details in its header."""

from typing import Any, Literal

from penstock.compat.dranspose.served.data.packet import Packet
from penstock.extra import extra

with extra("run"):
    from pydantic import Field, TypeAdapter

__all__ = ["EigerLegacy", "EigerLegacyEnd", "EigerLegacyHeader", "EigerLegacyImage", "EigerLegacyPacket"]


class EigerLegacy(Packet):
    """Any packet."""

    series: int


class EigerLegacyHeader(EigerLegacy):
    """Before the images; ``info`` holds the detector's configuration, ``appendix`` what the user gave it."""

    htype: Literal["dheader-1.0"] = "dheader-1.0"
    header_detail: str = "all"
    info: dict[str, Any] = Field(default_factory=dict)
    appendix: Any = None


class EigerLegacyImage(EigerLegacy):
    """An image: ``data`` says shape, type and encoding, its ``buffer`` is as it came; ``config`` holds the times."""

    htype: Literal["dimage-1.0"] = "dimage-1.0"
    frame: int
    hash: str
    data: dict[str, Any] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)


class EigerLegacyEnd(EigerLegacy):
    """Behind the images."""

    htype: Literal["dseries_end-1.0"] = "dseries_end-1.0"


EigerLegacyPacket: TypeAdapter[EigerLegacyHeader | EigerLegacyImage | EigerLegacyEnd] = TypeAdapter(
    EigerLegacyHeader | EigerLegacyImage | EigerLegacyEnd
)
