"""The ingester of LeCroy's oscilloscopes."""

from penstock.compat.dranspose.raw_decoders import LecroyRaw
from penstock.compat.dranspose.served.ingesters.received import UpstreamSettings, ZmqIngester

__all__ = ["ZmqSubLecroyIngester", "ZmqSubLecroySettings"]


class ZmqSubLecroySettings(UpstreamSettings):
    """What it is made with."""


class ZmqSubLecroyIngester(ZmqIngester):
    """LeCroy's oscilloscopes."""

    decoder = LecroyRaw
    settings_name = "_streaming_Lecroy_settings"
