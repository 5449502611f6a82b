"""Contrast: the scan software's points, subscribed."""

from penstock.elements.zmq_source import ZmqSource
from penstock.protocols.contrast import ContrastDecoder

__all__ = ["ContrastSource"]


class ContrastSource(ZmqSource):
    """Contrast: the scan software's points, subscribed."""

    decoder = ContrastDecoder
