"""AlbaEM: an electrometer's currents, subscribed."""

from penstock.elements.zmq_source import ZmqSource
from penstock.protocols.albaem import AlbaemDecoder

__all__ = ["AlbaemSource"]


class AlbaemSource(ZmqSource):
    """AlbaEM: an electrometer's currents, subscribed."""

    decoder = AlbaemDecoder
