"""Xspress3: fluorescence spectra with their counters, subscribed."""

from penstock.elements.zmq_source import ZmqSource
from penstock.protocols.xspress3 import Xspress3Decoder

__all__ = ["Xspress3Source"]


class Xspress3Source(ZmqSource):
    """Xspress3: fluorescence spectra with their counters, subscribed."""

    decoder = Xspress3Decoder
