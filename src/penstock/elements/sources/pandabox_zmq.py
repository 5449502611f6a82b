"""PandABox over ZeroMQ: captured positions, subscribed, a message a point."""

from penstock.elements.zmq_source import ZmqSource
from penstock.protocols.pandabox_zmq import PandaboxZmqDecoder

__all__ = ["PandaboxZmqSource"]


class PandaboxZmqSource(ZmqSource):
    """PandABox over ZeroMQ: captured positions, subscribed, a message a point."""

    decoder = PandaboxZmqDecoder
