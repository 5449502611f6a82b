"""The ingester of Contrast."""

from penstock.compat.dranspose.raw_decoders import ContrastRaw
from penstock.compat.dranspose.served.ingesters.received import UpstreamSettings, ZmqIngester

__all__ = ["ZmqSubContrastIngester", "ZmqSubContrastSettings"]


class ZmqSubContrastSettings(UpstreamSettings):
    """What it is made with."""


class ZmqSubContrastIngester(ZmqIngester):
    """Contrast."""

    decoder = ContrastRaw
    settings_name = "_streaming_contrast_settings"
