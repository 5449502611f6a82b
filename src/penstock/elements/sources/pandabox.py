"""PandABox: captured positions over TCP, a message a row, in each of the box's formats."""

from penstock.elements.tcp_source import TcpSource
from penstock.protocols.pandabox import PandaboxDecoder, PandaboxFramedDecoder, PandaboxUnframedDecoder

__all__ = ["PandaboxFramedSource", "PandaboxSource", "PandaboxUnframedSource"]


class PandaboxSource(TcpSource):
    """PandABox: captured positions in ASCII over TCP, a message a row."""

    decoder = PandaboxDecoder


class PandaboxFramedSource(TcpSource):
    """PandABox: captured positions in binary frames over TCP, a message a row; ten times as fast as in ASCII."""

    decoder = PandaboxFramedDecoder


class PandaboxUnframedSource(TcpSource):
    """PandABox: captured positions of one arm as bare bytes over TCP, a message a row; the run's stream ends with it.

    How the arm ended is not said. Where that matters, take ``pandabox-framed``.
    """

    decoder = PandaboxUnframedDecoder
