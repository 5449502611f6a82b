"""DECTRIS stream v2: a detector's images with all their threshold channels, pulled."""

from penstock.elements.zmq_source import ZmqSource
from penstock.protocols.dectris import DectrisDecoder

__all__ = ["DectrisSource"]


class DectrisSource(ZmqSource):
    """DECTRIS stream v2: a detector's images with all their threshold channels, pulled."""

    decoder = DectrisDecoder
