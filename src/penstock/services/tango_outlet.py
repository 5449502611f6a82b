"""Where a simulated device puts its values: a program that serves them as Tango attributes, without a database."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from penstock.elements.tango_child import TangoChild
from penstock.errors import SinkError, SourceError
from penstock.extra import extra
from penstock.services.connections import connections_of
from penstock.simulators import Packets
from penstock.simulators.served import Served
from penstock.transport.address import host_and_port

__all__ = ["DEVICE", "TangoOutlet"]

DEVICE: Final = "sim/scan/1"
_BEGIN_S: Final = 30.0
_SETTLE_S: Final = 1.0
"""From a client's coming to its being told: it first asks what there is, and then subscribes."""
_OUT_S: Final = 0.5
_LOOK_S: Final = 0.05


class TangoOutlet:
    """Serves packets as `Served` has them; see `Outlet`.

    Parameters
    ----------
    address
        ``tcp://host:port``; port 0: any that is free.
    idle
        What the attributes are before.
    """

    def __init__(self, address: str, idle: Packets) -> None:
        self._host, self._port = host_and_port(address)
        self._idle = idle
        self._values: dict[str, tuple[str, str, str, Any]] = {}
        self._point = self._points = 0
        self._child: TangoChild | None = None
        self._came_s: float | None = None
        self.address = address
        """Once it is open, the device's."""

    def open(self) -> None:
        """Begin to serve.

        Raises
        ------
        SourceError
            If nothing can be served there.
        MissingExtraError
            If PyTango is not installed.
        """
        with extra("tango"):
            import importlib.util

            if importlib.util.find_spec("tango") is None:
                raise ModuleNotFoundError("No module named 'tango'", name="tango")
        facts = {"pipeline": "", "run": "", "sink": "simulated"}
        for parts in self._idle:
            self._take(parts)
        begin = {
            "device": DEVICE, "server": "penstock/sim", "port": self._port, "host": self._host, "facts": facts,
            "values": list(self._values.values()),
        }  # fmt: skip
        self._child = TangoChild(begin, 1.0, _BEGIN_S)
        try:
            self.address = self._child.open()
        except SinkError as error:
            raise SourceError(str(error)) from error
        self._port = int(self.address.partition("//")[2].partition("/")[0].rpartition(":")[2])

    def wait(self, timeout_s: float) -> bool:
        """Wait until a client has come, and has had time to subscribe."""
        deadline = time.monotonic() + timeout_s
        while self._came_s is None and not connections_of(self._port):
            if time.monotonic() >= deadline:
                return False
            threading.Event().wait(_LOOK_S)
        if self._came_s is None:
            self._came_s = time.monotonic()
        left_s = self._came_s + _SETTLE_S - time.monotonic()
        threading.Event().wait(max(0.0, min(left_s, deadline - time.monotonic())))
        return self._came_s + _SETTLE_S <= time.monotonic()

    def send(self, parts: Sequence[bytes], timeout_s: float) -> bool:
        """Show a value."""
        self._take(list(parts))
        self._show()
        return True

    def close(self, linger_s: float) -> None:
        """Show the last of it, and end the device."""
        child, self._child = self._child, None
        if child is not None:
            if linger_s and self._came_s is not None:
                threading.Event().wait(min(linger_s, _OUT_S))
            child.close()

    def _take(self, parts: list[bytes]) -> None:
        served, array = Served.read(parts)
        name = served.pv.rpartition(":")[2]
        value = served.choices[served.value] if served.kind == "enum" else served.value if array is None else array
        self._values[name] = (name, served.unit, "", value)
        self._points += served.number not in (0, self._point)
        self._point = served.number

    def _show(self) -> None:
        if self._child is not None:
            try:
                self._child.show({"items": self._points, "values": list(self._values.values())})
            except SinkError as error:
                raise SourceError(str(error)) from error
