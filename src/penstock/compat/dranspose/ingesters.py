"""Sources that keep what instruments send as user code of dranspose reads it, and the names they have there."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final
from uuid import uuid4

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
from penstock.compat.dranspose.user_ingester import SoftwareFrames, UserIngester, is_ingester
from penstock.core.suggest import did_you_mean
from penstock.core.trigger_map import TriggerMap
from penstock.elements.tcp_source import TcpSource
from penstock.elements.zmq_source import ZmqSource
from penstock.errors import CheckError, Problem
from penstock.pipeline.entries import Source

__all__ = ["INGESTERS", "kind_of", "named_sources", "software_problems", "source_by", "source_of", "sources_of"]

SOFTWARE: Final = "software"
"""The kind of a stream that a user's ingester reads whenever another one has a frame."""


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
    name, kind, address = _words_of(text)
    return name, source_by(kind, address, name)


def source_by(kind: str, address: str, name: str) -> Source:
    """Return the source of a stream.

    Raises
    ------
    CheckError
        As of `kind_of`; or if there is no such class.
    """
    if ":" in kind and kind.rpartition(":")[2] not in _THEIRS and is_ingester(kind):
        return Source(f"{UserIngester.__module__}:{UserIngester.__name__}", ingester=kind, connect=address, name=name)
    return Source(kind_of(kind), connect=address)


def sources_of(texts: Iterable[str], others: Mapping[str, Source] | None = None) -> dict[str, Source]:
    """Return the sources by stream, of those that are written and of others that there are.

    Parameters
    ----------
    texts
        As of `source_of`, and ``NAME=software,STREAM``: read by the user's ingester of that stream, with each frame.

    Raises
    ------
    CheckError
        As `source_of`; or if a stream is read by software with one that no user's ingester reads.
    """
    found = dict(others or {})
    software: dict[str, dict[str, str]] = {}
    for text in texts:
        name, kind, address = _words_of(text)
        if kind == SOFTWARE:
            # Of the abstract space of names, so that nothing is left behind.
            software.setdefault(address, {})[name] = f"ipc://@penstock-{uuid4().hex}"
        else:
            found[name] = source_by(kind, address, name)
    for stream, addresses in software.items():
        given = _arguments(found.get(stream))
        if "ingester" not in given:
            names = ", ".join(addresses)
            remedy = f"name it with an ingester of yours before: --stream {stream}=MODULE:CLASS,ADDRESS"
            raise CheckError(
                [Problem(where="--stream", text=f"{names} is read with {stream}, which no class of yours reads",
                         remedy=remedy)]
            )  # fmt: skip
        found[stream] = _with_software(given, addresses)
        kind = f"{SoftwareFrames.__module__}:{SoftwareFrames.__name__}"
        found |= {name: Source(kind, connect=address, connect_s=0) for name, address in addresses.items()}
    return found


def named_sources(sources: Mapping[str, Source], names: Collection[str]) -> dict[str, Source]:
    """Return the sources that a map names; what it does not name is neither connected to nor read by software."""
    found = {}
    for stream, source in sources.items():
        if stream in names:
            given = _arguments(source)
            software = {name: address for name, address in _software(source).items() if name in names}
            found[stream] = _with_software(given, software) if "ingester" in given else source
    return found


def software_problems(sources: Mapping[str, Source], trigger_map: TriggerMap) -> list[Problem]:
    """Return what is wrong with a map that names what is read by software in other events than what it is read with."""
    found = []
    for stream, source in sources.items():
        for name in _software(source):
            if name in trigger_map.streams and not trigger_map.is_alike(name, stream):
                text = f"{name} is read by software with each frame of {stream}, and the map names it in other events"
                remedy = f"name both in the same events, {name} with [] where it is not wanted"
                found.append(Problem(where=name, text=text, remedy=remedy))
    return found


def _words_of(text: str) -> tuple[str, str, str]:
    name, equals, rest = text.partition("=")
    kind, comma, address = rest.partition(",")
    if not (name and equals and comma and address):
        remedy = "write NAME=KIND,ADDRESS, such as eiger=stins,tcp://detector:9999"
        raise CheckError([Problem(where="--stream", text=f"{text!r} is not of that form", remedy=remedy)])
    return name, kind, address


def _arguments(source: Source | None) -> dict[str, Any]:
    return {} if source is None else dict(source.tree["use"].arguments)


def _software(source: Source) -> dict[str, str]:
    return dict(_arguments(source).get("software") or {})


def _with_software(given: Mapping[str, Any], software: Mapping[str, str]) -> Source:
    use = f"{UserIngester.__module__}:{UserIngester.__name__}"
    # No successor can know how many frames, of those whose values were handed over, got lost with the process.
    restarts = {"most": 0} if software else None
    return Source(use, restarts=restarts, **{**given, "software": dict(software)})


def kind_of(name: str) -> str:
    """Return what a pipeline uses for a kind of stream.

    Parameters
    ----------
    name
        One of `INGESTERS`, or the name of dranspose's class, or ``module:Class``, a source of ours that users wrote.

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
