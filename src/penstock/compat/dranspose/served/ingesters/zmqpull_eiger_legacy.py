"""The ingester of Eiger's stream of version 1."""

from penstock.compat.dranspose.raw_decoders import EigerRaw
from penstock.compat.dranspose.served.ingesters.received import UpstreamSettings, ZmqIngester

__all__ = ["ZmqPullEigerLegacyIngester", "ZmqPullEigerLegacySettings"]


class ZmqPullEigerLegacySettings(UpstreamSettings):
    """What it is made with."""


class ZmqPullEigerLegacyIngester(ZmqIngester):
    """Eiger's stream of version 1."""

    decoder = EigerRaw
    settings_name = "_streaming_eiger_legacy_settings"
