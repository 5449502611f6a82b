"""Eiger's stream of version 1."""

import msgspec

from penstock.compat.dranspose.served.data.eiger_legacy import (
    EigerLegacyEnd,
    EigerLegacyHeader,
    EigerLegacyImage,
    EigerLegacyPacket,
)
from penstock.compat.dranspose.served.event import StreamData
from penstock.compat.dranspose.served.middlewares.frames import check, json_of, raw_of

__all__ = ["parse"]

TYP = "EIGER_LEGACY"


def parse(data: StreamData) -> EigerLegacyHeader | EigerLegacyImage | EigerLegacyEnd:
    """Return a packet; an image's ``data["buffer"]`` holds its bytes as they came, compressed.

    Raises
    ------
    ValueError
        If it is none.
    """
    check(data, TYP)
    packet = EigerLegacyPacket.validate_json(json_of(data.frames[0]))
    if isinstance(packet, EigerLegacyHeader):
        check(data, TYP, 9)
        packet.info = msgspec.json.decode(json_of(data.frames[1]))
        packet.appendix = msgspec.json.decode(json_of(data.frames[8]))
    elif isinstance(packet, EigerLegacyImage):
        check(data, TYP, 5)
        packet.data = {**msgspec.json.decode(json_of(data.frames[1])), "buffer": bytes(raw_of(data.frames[2]))}
        packet.config = msgspec.json.decode(json_of(data.frames[3]))
    return packet
