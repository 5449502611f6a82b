"""The ingester of STINS."""

from penstock.compat.dranspose.raw_decoders import StinsRaw
from penstock.compat.dranspose.served.ingesters.received import UpstreamSettings, ZmqIngester

__all__ = ["ZmqPullSingleIngester", "ZmqPullSingleSettings"]


class ZmqPullSingleSettings(UpstreamSettings):
    """What it is made with."""


class ZmqPullSingleIngester(ZmqIngester):
    """STINS."""

    decoder = StinsRaw
    settings_name = "_streaming_single_settings"
