"""PandABox: captured positions in ASCII over TCP, a message a row."""

from penstock.elements.tcp_source import TcpSource
from penstock.protocols.pandabox import PandaboxDecoder

__all__ = ["PandaboxSource"]


class PandaboxSource(TcpSource):
    """PandABox: captured positions in ASCII over TCP, a message a row."""

    decoder = PandaboxDecoder
