"""The ingester of PandABox over TCP, ASCII."""

from penstock.compat.dranspose.raw_decoders import PandaTcpRaw
from penstock.compat.dranspose.served.ingesters.received import TcpIngester, UpstreamSettings

__all__ = ["TcpPcapIngester", "TcpPcapSettings"]


class TcpPcapSettings(UpstreamSettings):
    """What it is made with."""


class TcpPcapIngester(TcpIngester):
    """PandABox over TCP, ASCII."""

    decoder = PandaTcpRaw
    settings_name = "_pcap_settings"
