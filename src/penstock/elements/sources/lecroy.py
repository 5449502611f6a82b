"""LeCroy: an oscilloscope's traces, subscribed, a message an acquisition."""

from penstock.elements.zmq_source import ZmqSource
from penstock.protocols.lecroy import LecroyDecoder

__all__ = ["LecroySource"]


class LecroySource(ZmqSource):
    """LeCroy: an oscilloscope's traces, subscribed, a message an acquisition."""

    decoder = LecroyDecoder
