"""The ingester of AlbaEM."""

from penstock.compat.dranspose.raw_decoders import AlbaemRaw
from penstock.compat.dranspose.served.ingesters.received import UpstreamSettings, ZmqIngester

__all__ = ["ZmqSubAlbaemIngester", "ZmqSubAlbaemSettings"]


class ZmqSubAlbaemSettings(UpstreamSettings):
    """What it is made with."""


class ZmqSubAlbaemIngester(ZmqIngester):
    """AlbaEM."""

    decoder = AlbaemRaw
    settings_name = "_streaming_albaem_settings"
