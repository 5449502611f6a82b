"""What every simulated instrument is to the rest: the wire packets of a scan, point by point.

It only computes: no socket, no clock, and the same scan gives the same bytes.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from penstock.core.decoder import Decoder, declared_traits
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["Packets", "Simulator"]

Packets = list[list[bytes]]
"""What is sent one after the other: messages of one or more parts, or pieces of a byte stream."""

_OTHER_SIDE: dict[str, Literal["push", "pub", "tcp", "post"]] = {
    "pull": "push", "sub": "pub", "tcp": "tcp", "http": "post",
}  # fmt: skip
"""Of what an instrument's client has."""


class Simulator(ABC):
    """An instrument at a scan that never happened. A subclass names the ``decoder`` that reads what it says.

    The first part of the first packet of a point has at least two bytes, and is text or has a checksum, so that a fault
    in it is noticed; or ``spoilable`` says where one is, 0 if nowhere.

    Parameters
    ----------
    scan
        What it measures; its seed decides all that is chance.
    """

    decoder: ClassVar[type[Decoder]]
    """Decides how the packets travel."""
    socket: ClassVar[Literal["push", "pub", "tcp", "post", "pva", "kafka", "tango"]]
    """How its packets travel; the other side of what the decoder's traits say, if they say any."""
    greeting: ClassVar[bytes] = b""
    """What a TCP client must say first; what the decoder says."""
    spoilable: ClassVar[int | None] = None
    """So many bytes at the beginning of a point are those that a fault may fall on; ``None``: all but the last one."""
    closes: ClassVar[bool] = False
    """Whether a TCP server ends a scan by closing the connection; whoever wants the next one connects again."""
    idle: ClassVar[Packets] = []
    """What those with the socket ``pva`` or ``tango`` say before anybody comes."""
    usual_hz: ClassVar[float] = 0.0
    """Points per second where nobody says how many; 0: as fast as they are taken, if it can be seen that they are."""
    compressions: ClassVar[Sequence[str]] = ()
    """How it can compress its frames: names of `penstock.core.codecs.CODECS`."""
    compression = ""
    """How it does; empty for not at all."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "decoder" in vars(cls) and "socket" not in vars(cls):
            cls.socket = _OTHER_SIDE[declared_traits(cls, tuple(_OTHER_SIDE)).socket]
            cls.greeting = cls.decoder().greeting()

    def __init__(self, scan: XrfScan) -> None:
        self.scan = scan

    def connected(self, *, under_way: bool) -> Packets:  # noqa: ARG002 - for those that have something to say
        """Return what is said to a client that has just come, ``under_way`` if between a start and its end."""
        return []

    @abstractmethod
    def start(self) -> Packets:
        """Return what is said before the points."""

    @abstractmethod
    def point(self, number: int) -> Packets:
        """Return one frame: what is said of a point, counted from 0; in any order."""

    @abstractmethod
    def end(self, points: int) -> Packets:
        """Return what is said after so many points: all of the scan, or fewer if it was stopped."""

    def packets(self) -> Iterator[Packets]:
        """Yield a whole scan to one client: what it is told at first, the start, each point, the end."""
        yield self.connected(under_way=False)
        yield self.start()
        yield from map(self.point, range(self.scan.points))
        yield self.end(self.scan.points)
