"""Where a simulated IOC puts its values: a PVAccess server, which waits for clients and tells none what it missed."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from penstock.elements.pva_server import PvaServer
from penstock.elements.pva_values import PvaKind, Said, said_of
from penstock.errors import RemoteProtocolError, ServiceError, SourceError
from penstock.simulators import Packets
from penstock.simulators.served import IMAGE, Served
from penstock.transport.address import host_and_port

__all__ = ["PvaOutlet"]

_SETTLE_S: Final = 0.5
"""From a client's coming to its being told: PVAccess does not say when it has begun to monitor."""
_OUT_S: Final = 1.0
"""For what is on its way at the end: PVAccess does not say when a client has taken it."""


class PvaOutlet:
    """Serves packets as `Served` has them; see `Outlet`.

    Parameters
    ----------
    address
        ``tcp://host:port``: where its process variables are looked for, which is over UDP.
    peers
        How many variables must have a client before it begins.
    idle
        What they say before.
    """

    def __init__(self, address: str, peers: int, idle: Packets) -> None:
        self._host, self._port = host_and_port(address)
        self._server = PvaServer(f"{self._host}:{self._port}")
        self._idle, self._peers = idle, peers
        self._came_s: float | None = None

    @property
    def address(self) -> str:
        """With the port that was taken."""
        return f"tcp://{self._server.address}"

    def open(self) -> None:
        """Begin to serve.

        Raises
        ------
        SourceError
            If nothing can be served there.
        MissingExtraError
            If p4p is not installed.
        """
        try:
            self._server.open()
        except ServiceError as error:
            raise SourceError(str(error)) from error
        for parts in self._idle:
            self._say(parts)

    def wait(self, timeout_s: float) -> bool:
        """Wait until clients have come, and have had time to begin to monitor."""
        if self._came_s is None:
            if not self._server.wait_for_clients(self._peers, timeout_s):
                return False
            self._came_s = time.monotonic()
        left_s = self._came_s + _SETTLE_S - time.monotonic()
        threading.Event().wait(max(0.0, min(left_s, timeout_s)))
        return left_s <= timeout_s

    def send(self, parts: Sequence[bytes], timeout_s: float) -> bool:
        """Say a value; one that is spoilt is said as an image that has no dimensions."""
        self._say(list(parts))
        return True

    def close(self, linger_s: float) -> None:
        """Close; wait a moment for what is on its way, if there is somebody and ``linger_s`` allows it."""
        if linger_s and self._came_s is not None:
            threading.Event().wait(min(linger_s, _OUT_S))
        self._server.close()

    def _say(self, parts: list[bytes]) -> None:
        try:
            served, array = Served.read(parts)
        except RemoteProtocolError:
            (first, *_) = self._idle
            self._server.say(Served.read(first)[0].pv, Said(value=np.zeros((), np.uint16), kind=PvaKind(IMAGE)))
            return
        self._server.say(served.pv, _said(served, array))


def _said(served: Served, array: Any) -> Said:
    if served.kind == "enum":
        return Said(value=served.value, kind=PvaKind("enum"), choices=served.choices, time_ns=served.time_ns)
    value = served.value if array is None else array
    return said_of(value, unit=served.unit, number=served.number, time_ns=served.time_ns)
