"""Plain EPICS process variables, monitored over PVAccess or Channel Access."""

from typing import Any, Final, Literal

import numpy as np

from penstock.core.decoder import Traits
from penstock.core.message import Message
from penstock.core.timestamp import NS_PER_S
from penstock.elements.ca_link import CaAbout, CaLink
from penstock.elements.ntndarray import NTNDARRAY, time_of
from penstock.elements.pva_source import PvaSource
from penstock.errors import RemoteProtocolError, SourceError

__all__ = ["PvSource"]

_UNSET_S: Final = 631_152_000
"""1990, where the time of EPICS begins: what a record says that was never processed."""
_STATUSES: Final = (
    "NO_ALARM", "READ", "WRITE", "HIHI", "HIGH", "LOLO", "LOW", "STATE", "COS", "COMM", "TIMEOUT", "HWLIMIT", "CALC",
    "SCAN", "LINK", "SOFT", "BAD_SUB", "UDF", "DISABLE", "SIMM", "READ_ACCESS", "WRITE_ACCESS",
)  # fmt: skip
"""Of alarms over Channel Access, by their numbers: EPICS base, ``alarm.h``."""


class PvSource(PvaSource):
    """Plain EPICS process variables: numbers, texts, arrays, choices and tables, each value as it comes.

    In a pipeline::

        sources:
          slow: {use: pv, pv: ["SR:C01:Current", "BL:Shutter"]}
          old: {use: pv, pv: "BL:Shutter", provider: ca, address: "10.0.1.5 10.0.1.6:5070"}

    The first message of each has the value that there is. ``metadata`` are ``pv``, its name; ``value``; ``severity``,
    0 if there is no alarm, 1 minor, 2 major, 3 invalid, and then ``alarm``, its text; ``unit``, if it has one. An
    array of numbers is ``array``, without ``value``. Of a choice ``value`` is the text, and ``index`` its number. Of
    any other structure ``value`` is a mapping.

    Values that the server leaves out, because it is asked for less or the reader is too slow, nobody can see.

    Parameters
    ----------
    pv
        Name of the process variable, or a list.
    address
        Where they are looked for: addresses of servers or of networks, separated by spaces, each with ``:port`` where
        it is not the usual one; by default as the environment says (``EPICS_PVA_ADDR_LIST``, or ``EPICS_CA_ADDR_LIST``,
        and their like). All of one process that are heard over Channel Access are looked for at the same one.
    provider
        ``pva``: PVAccess; ``ca``: Channel Access, which has no structures, and arrays up to
        ``EPICS_CA_MAX_ARRAY_BYTES``.
    queue
        How many values of each the server and this client keep for each other; over Channel Access that is the server's
        affair.
    connect_s
        How long it may take until all have answered, in s; 0 waits for ever.
    ahead_MB
        How much may lie unread, in MB; what comes then is lost, and counted.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    traits = Traits(has_start=False, has_end=False, clock="timeStamp")

    def __init__(
        self,
        pv: str | list[str],
        address: str = "",
        provider: Literal["pva", "ca"] = "pva",
        *,
        queue: int = 64,
        connect_s: float = 30.0,
        ahead_MB: float = 64.0,
    ) -> None:
        super().__init__(pv, address=address, queue=queue, connect_s=connect_s, ahead_MB=ahead_MB)
        if provider not in ("pva", "ca"):
            raise ValueError(f'provider is "{provider}"; write pva or ca')
        self._link = CaLink(self.names, address, self) if provider == "ca" else None

    def listen(self) -> None:
        """Begin to monitor; see the base."""
        if self._link is None:
            super().listen()
        else:
            self._link.begin()

    def deafen(self) -> None:
        """Monitor no more; see the base."""
        super().deafen()
        if self._link is not None:
            self._link.end()

    def not_reached(self, names: list[str]) -> str:
        """Return why nothing was heard; see the base."""
        said = super().not_reached(names)
        if self._link is None:
            return said
        return said.replace("PVAccess", "Channel Access").replace("EPICS_PVA_", "EPICS_CA_")

    def message_of(self, name: str, said: Any, received_ns: int) -> Message | None:
        """Return the message of a value; see the base."""
        if self._link is not None:
            value, about = said
            return _message_of_ca(name, value, about, received_ns)
        if str(said.getID()).startswith(NTNDARRAY):
            raise SourceError(f"{name} is of type {said.getID()}, an image; read it by use: pva")
        try:
            return _message(name, said, received_ns)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RemoteProtocolError(f"no value as EPICS has them: {type(error).__name__}: {error}") from error


def _message(name: str, said: Any, received_ns: int) -> Message:
    fields = said.todict() if "value" not in said else {key: said[key] for key in said}
    metadata: dict[str, Any] = {"pv": name}
    array = None
    value = fields.get("value", fields)
    if isinstance(value, np.ndarray):
        array = value
    elif _is_choice(value):
        index, choices = int(value["index"]), list(value["choices"])
        metadata |= {"value": str(choices[index]) if 0 <= index < len(choices) else "", "index": index}
    else:
        metadata["value"] = value.todict() if hasattr(value, "todict") else value
    if (alarm := fields.get("alarm")) is not None:
        metadata["severity"] = int(alarm["severity"])
        if metadata["severity"]:
            metadata["alarm"] = str(alarm["message"])
    if (display := fields.get("display")) is not None and (unit := display.get("units")):
        metadata["unit"] = str(unit)
    stamp = fields.get("timeStamp")
    timestamp_ns = 0 if stamp is None else time_of(stamp)
    return Message(timestamp_ns=timestamp_ns or received_ns, metadata=metadata, array=array)


def _message_of_ca(name: str, value: Any, about: CaAbout, received_ns: int) -> Message:
    """Return the message of a value as aioca has it."""
    metadata: dict[str, Any] = {"pv": name}
    array = None
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biuf":
            array = np.array(value)
            array.flags.writeable = False
        else:
            metadata["value"] = [str(each) for each in value]
    elif about.choices:
        index = int(value)
        metadata |= {"value": about.choices[index] if 0 <= index < len(about.choices) else "", "index": index}
    else:
        metadata["value"] = str(value) if isinstance(value, str) else value + 0  # without what aioca puts to it
    metadata["severity"] = int(value.severity)
    if metadata["severity"]:
        status = int(value.status)
        metadata["alarm"] = _STATUSES[status] if 0 <= status < len(_STATUSES) else str(status)
    if about.unit:
        metadata["unit"] = about.unit
    seconds, nanoseconds = value.raw_stamp
    timestamp_ns = seconds * NS_PER_S + nanoseconds if seconds > _UNSET_S else received_ns
    return Message(timestamp_ns=timestamp_ns, metadata=metadata, array=array)


def _is_choice(value: Any) -> bool:
    return hasattr(value, "getID") and "choices" in value and "index" in value
