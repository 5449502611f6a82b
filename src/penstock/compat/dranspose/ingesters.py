"""Sources that keep what instruments send as user code of dranspose reads it, and the names they have there."""

from collections.abc import Mapping
from typing import Final

from penstock.compat.dranspose.raw_decoders import (
    AlbaemRaw,
    ContrastRaw,
    EigerRaw,
    LecroyRaw,
    PandaTcpRaw,
    PandaZmqRaw,
    SardanaRaw,
    StinsRaw,
    XspressRaw,
)
from penstock.core.suggest import did_you_mean
from penstock.elements.tcp_source import TcpSource
from penstock.elements.zmq_source import ZmqSource
from penstock.errors import CheckError, Problem
from penstock.pipeline.entries import Source

__all__ = ["INGESTERS", "kind_of", "source_of"]


class StinsFrames(ZmqSource):
    """STINS, pulled."""

    decoder = StinsRaw


class EigerFrames(ZmqSource):
    """Eiger's stream of version 1, pulled."""

    decoder = EigerRaw


class ContrastFrames(ZmqSource):
    """Contrast, subscribed to."""

    decoder = ContrastRaw


class XspressFrames(ZmqSource):
    """Xspress3 in both framings, subscribed to."""

    decoder = XspressRaw


class PandaZmqFrames(ZmqSource):
    """PandABox over ZeroMQ, subscribed to."""

    decoder = PandaZmqRaw


class AlbaemFrames(ZmqSource):
    """AlbaEM, subscribed to."""

    decoder = AlbaemRaw


class LecroyFrames(ZmqSource):
    """LeCroy's oscilloscopes, subscribed to."""

    decoder = LecroyRaw


class SardanaFrames(ZmqSource):
    """Sardana's records, pulled from what takes them over HTTP."""

    decoder = SardanaRaw


class PandaTcpFrames(TcpSource):
    """PandABox over TCP, ASCII."""

    decoder = PandaTcpRaw


INGESTERS: Final[Mapping[str, type[ZmqSource | TcpSource]]] = {
    "stins": StinsFrames,
    "eiger-legacy": EigerFrames,
    "contrast": ContrastFrames,
    "xspress3": XspressFrames,
    "pcap-zmq": PandaZmqFrames,
    "pcap-tcp": PandaTcpFrames,
    "albaem": AlbaemFrames,
    "lecroy": LecroyFrames,
    "sardana": SardanaFrames,
}
"""By our names."""
_THEIRS: Final[Mapping[str, str]] = {
    "ZmqPullSingleIngester": "stins",
    "ZmqPullEigerLegacyIngester": "eiger-legacy",
    "ZmqSubContrastIngester": "contrast",
    "ZmqSubXspressIngester": "xspress3",
    "ZmqSubPCAPIngester": "pcap-zmq",
    "TcpPcapIngester": "pcap-tcp",
    "ZmqSubAlbaemIngester": "albaem",
    "ZmqSubLecroyIngester": "lecroy",
    "HttpSardanaIngester": "sardana",
}


def source_of(text: str) -> tuple[str, Source]:
    """Return a stream's name and its source, of ``NAME=KIND,ADDRESS``.

    Raises
    ------
    CheckError
        If it is not so written, or there is no such kind.
    """
    name, equals, rest = text.partition("=")
    kind, comma, address = rest.partition(",")
    if not (name and equals and comma and address):
        remedy = "write NAME=KIND,ADDRESS, such as eiger=stins,tcp://detector:9999"
        raise CheckError([Problem(where="--stream", text=f"{text!r} is not of that form", remedy=remedy)])
    return name, Source(kind_of(kind), connect=address)


def kind_of(name: str) -> str:
    """Return what a pipeline uses for a kind of stream.

    Parameters
    ----------
    name
        One of `INGESTERS`, or the name of dranspose's class, or ``module:Class``, a source of the user's.

    Raises
    ------
    CheckError
        If there is none.

    Examples
    --------
    >>> kind_of("ZmqPullSingleIngester") == kind_of("stins")
    True
    """
    kind = _THEIRS.get(name.rpartition(":")[2], name)
    if ":" in kind:
        return kind
    if kind not in INGESTERS:
        problem = Problem(where="--stream", text=f"there is no kind {kind!r}", remedy=did_you_mean(kind, INGESTERS))
        raise CheckError([problem])
    return f"{__name__}:{INGESTERS[kind].__name__}"
