"""The ingesters of instruments, which users may subclass."""

from penstock.compat.dranspose.served.ingesters.tcp_positioncap import TcpPcapIngester, TcpPcapSettings
from penstock.compat.dranspose.served.ingesters.zmqpull_eiger_legacy import (
    ZmqPullEigerLegacyIngester,
    ZmqPullEigerLegacySettings,
)
from penstock.compat.dranspose.served.ingesters.zmqpull_single import ZmqPullSingleIngester, ZmqPullSingleSettings
from penstock.compat.dranspose.served.ingesters.zmqsub_albaem import ZmqSubAlbaemIngester, ZmqSubAlbaemSettings
from penstock.compat.dranspose.served.ingesters.zmqsub_contrast import ZmqSubContrastIngester, ZmqSubContrastSettings
from penstock.compat.dranspose.served.ingesters.zmqsub_lecroy import ZmqSubLecroyIngester, ZmqSubLecroySettings
from penstock.compat.dranspose.served.ingesters.zmqsub_pcap import ZmqSubPCAPIngester, ZmqSubPCAPSettings
from penstock.compat.dranspose.served.ingesters.zmqsub_xspress3 import ZmqSubXspressIngester, ZmqSubXspressSettings

__all__ = [
    "TcpPcapIngester", "TcpPcapSettings", "ZmqPullEigerLegacyIngester", "ZmqPullEigerLegacySettings",
    "ZmqPullSingleIngester", "ZmqPullSingleSettings", "ZmqSubAlbaemIngester", "ZmqSubAlbaemSettings",
    "ZmqSubContrastIngester", "ZmqSubContrastSettings", "ZmqSubLecroyIngester", "ZmqSubLecroySettings",
    "ZmqSubPCAPIngester", "ZmqSubPCAPSettings", "ZmqSubXspressIngester", "ZmqSubXspressSettings",
]  # fmt: skip
