"""Eiger stream v1: a DECTRIS detector's images, pulled."""

from penstock.elements.zmq_source import ZmqSource
from penstock.protocols.eiger import EigerDecoder

__all__ = ["EigerSource"]


class EigerSource(ZmqSource):
    """Eiger stream v1: a DECTRIS detector's images, pulled."""

    decoder = EigerDecoder
