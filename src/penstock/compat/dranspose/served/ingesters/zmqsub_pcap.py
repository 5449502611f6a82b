"""The ingester of PandABox over ZeroMQ."""

from penstock.compat.dranspose.raw_decoders import PandaZmqRaw
from penstock.compat.dranspose.served.ingesters.received import UpstreamSettings, ZmqIngester

__all__ = ["ZmqSubPCAPIngester", "ZmqSubPCAPSettings"]


class ZmqSubPCAPSettings(UpstreamSettings):
    """What it is made with."""


class ZmqSubPCAPIngester(ZmqIngester):
    """PandABox over ZeroMQ."""

    decoder = PandaZmqRaw
    settings_name = "_streaming_PCAP_settings"
