"""The ingester of Xspress3."""

from penstock.compat.dranspose.raw_decoders import XspressRaw
from penstock.compat.dranspose.served.ingesters.received import UpstreamSettings, ZmqIngester

__all__ = ["ZmqSubXspressIngester", "ZmqSubXspressSettings"]


class ZmqSubXspressSettings(UpstreamSettings):
    """What it is made with."""


class ZmqSubXspressIngester(ZmqIngester):
    """Xspress3."""

    decoder = XspressRaw
    settings_name = "_streaming_xspress_settings"
