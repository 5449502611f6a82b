"""Tango: attributes of a device, polled or by their events."""

from enum import Enum
from typing import Annotated, Any, Literal

import numpy as np

from penstock.core.decoder import Traits
from penstock.core.message import Message
from penstock.elements.heard_source import HeardSource
from penstock.elements.tango_link import TangoLink, as_device
from penstock.errors import RemoteProtocolError
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge

__all__ = ["TangoSource"]


class TangoSource(HeardSource):
    """Tango: attributes of a device, as its events tell them, or polled.

    In a pipeline::

        sources:
          motor: {use: tango, device: sys/motor/1, attributes: [position, state]}
          gauge: {use: tango, device: "tango://vacuum:10000/sys/gauge/1", attributes: pressure, every_s: 1}

    Each value is a message; the first has what there is. ``metadata`` are ``device``, ``attribute``, ``value``,
    ``quality`` (``VALID``, ``INVALID``, ``ALARM``, ``CHANGING``, ``WARNING``), and ``unit``, if it has one. An array of
    numbers is ``array``, without ``value``; encoded data are bytes in ``array``, and ``format``. A device that goes is
    looked for; what it says again when it is back counts once. A value that it cannot read, and events that were lost
    on the way, count as unparsable.

    Parameters
    ----------
    device
        Its name, such as ``sys/motor/1``, with ``tango://host:port/`` before it if ``TANGO_HOST`` does not say where,
        and ``#dbase=no`` behind it for a server without a database.
    attributes
        Name of an attribute, or a list.
    every_s
        How often they are polled, in s; 0: never, but their events are subscribed to.
    event
        Which events, if they are.
    connect_s
        How long it may take until all have been heard, in s; 0 waits for ever.
    ahead_MB
        How much may lie unread, in MB; what comes then is lost, and counted.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    traits = Traits(has_start=False, has_end=False, clock="time")

    def __init__(
        self,
        device: str,
        attributes: str | list[str],
        every_s: Annotated[float, Ge(0)] = 0.0,
        event: Literal["change", "archive", "periodic", "user"] = "change",
        *,
        connect_s: float = 30.0,
        ahead_MB: float = 64.0,
    ) -> None:
        super().__init__(attributes, connect_s=connect_s, ahead_MB=ahead_MB)
        if every_s < 0:
            raise ValueError(f"every_s is {every_s}; write an interval in s, or 0 for events")
        self._device = as_device(device)
        self._kind = None if every_s else "user_event" if event == "user" else event
        self._every_s = every_s
        self._link: TangoLink | None = None
        self._times: dict[str, int] = {}

    def listen(self) -> None:
        """Begin to listen; see the base."""
        self._link = TangoLink(self._device, self.names, self._kind, self._every_s, self)
        self._link.begin()

    def deafen(self) -> None:
        """Listen no more; see the base."""
        if self._link is not None:
            self._link.end()

    def not_reached(self, names: list[str]) -> str:
        """Return why nothing was heard; see the base."""
        return (
            f"{self._device}: nothing was heard of {', '.join(names)} within {self._connect_s:g} s{self._why()}; see "
            "whether its server is on and the name is right, or give it longer with connect_s"
        )

    def message_of(self, name: str, said: Any, received_ns: int) -> Message | None:
        """Return the message of a value; see the base."""
        if isinstance(said, tuple | list):  # of failures, as an event has them
            raise RemoteProtocolError(" ".join(str(said[0].desc).split()) if said else "an event that says nothing")
        if said.has_failed:
            raise RemoteProtocolError(" ".join(str(said.get_err_stack()[0].desc).split()))
        stamp = said.time
        time_ns = (stamp.tv_sec * 1_000_000 + stamp.tv_usec) * 1000 + stamp.tv_nsec
        if self._kind is not None and time_ns and self._times.get(name) == time_ns:
            return None
        self._times[name] = time_ns
        metadata: dict[str, Any] = {
            "device": self._device,
            "attribute": name,
            "quality": said.quality.name.removeprefix("ATTR_"),
        }
        if self._link is not None and (unit := self._link.units.get(name)):
            metadata["unit"] = unit
        array, more = _value(said.value)
        return Message(timestamp_ns=time_ns or received_ns, metadata=metadata | more, array=array)

    def _why(self) -> str:
        return f" ({self._link.why})" if self._link is not None and self._link.why else ""


def _value(value: Any) -> tuple[Any, dict[str, Any]]:
    """Return the array of a value, and what metadata have of it."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        sealed = value.view()
        sealed.flags.writeable = False
        return sealed, {}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], bytes | bytearray):
        return np.frombuffer(bytes(value[1]), np.uint8), {"format": str(value[0])}
    if isinstance(value, Enum):  # such as a state
        return None, {"value": value.name}
    if isinstance(value, np.ndarray | tuple | list):
        return None, {"value": [each.name if isinstance(each, Enum) else each for each in np.ravel(value).tolist()]}
    return None, {"value": value}
