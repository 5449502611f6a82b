"""Plain EPICS process variables, monitored over PVAccess."""

from typing import Any

import numpy as np

from penstock.core.decoder import Traits
from penstock.core.message import Message
from penstock.elements.ntndarray import NTNDARRAY, time_of
from penstock.elements.pva_source import PvaSource
from penstock.errors import RemoteProtocolError, SourceError

__all__ = ["PvSource"]


class PvSource(PvaSource):
    """Plain EPICS process variables over PVAccess: numbers, texts, arrays, choices and tables, each value as it comes.

    In a pipeline::

        sources:
          slow: {use: pv, pv: ["SR:C01:Current", "BL:Shutter"]}

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
        it is not the usual one; by default as the environment says (``EPICS_PVA_ADDR_LIST`` and its like).
    queue
        How many values of each the server and this client keep for each other.
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
        *,
        queue: int = 64,
        connect_s: float = 30.0,
        ahead_MB: float = 64.0,
    ) -> None:
        super().__init__(pv, address=address, queue=queue, connect_s=connect_s, ahead_MB=ahead_MB)

    def message_of(self, name: str, said: Any, received_ns: int) -> Message | None:
        """Return the message of a value; see the base."""
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


def _is_choice(value: Any) -> bool:
    return hasattr(value, "getID") and "choices" in value and "index" in value
