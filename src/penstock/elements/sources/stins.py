"""STINS: a MAX IV detector's images, pulled."""

from penstock.elements.zmq_source import ZmqSource
from penstock.protocols.stins import StinsDecoder

__all__ = ["StinsSource"]


class StinsSource(ZmqSource):
    """STINS: a MAX IV detector's images, pulled."""

    decoder = StinsDecoder
