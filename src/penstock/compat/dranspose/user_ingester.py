"""A user's class of ingester as a source: what it yields is the stream, counted as it comes.

Streams that it reads by software whenever another one has a frame are sources of their own, `SoftwareFrames`, to which
the values are handed. The class is made anew for each scan, in the process of the source.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.compat.dranspose.events import message_of_frames
from penstock.compat.dranspose.lookup import find_user_class
from penstock.compat.dranspose.namespace import serve_dranspose
from penstock.compat.dranspose.served import ingester as served
from penstock.core.decoder import Decoder, Traits
from penstock.core.image_header import json_object
from penstock.core.message import Message
from penstock.elements.gives_messages import GivesMessages
from penstock.elements.user_modules import find_object
from penstock.elements.zmq_source import ZmqSource
from penstock.errors import RemoteProtocolError, UserCodeError

__all__ = ["SoftwareFrames", "SoftwareRaw", "UserIngester", "is_ingester", "settings_of"]

_INGESTER: Final = "Ingester"


def is_ingester(name: str, folder: Path | None = None) -> bool:
    """Whether ``module:Class`` is an ingester of a user.

    Raises
    ------
    CheckError
        If there is nothing of this name, or importing its module fails.
    """
    serve_dranspose()
    found = find_object(name, Path.cwd() if folder is None else folder)
    return isinstance(found, type) and issubclass(found, served.Ingester)


def settings_of(ingester: type) -> type[served.IngesterSettings]:
    """Return the class of settings of an ingester: of its own module, or of the first base that has one.

    It is called as the ingester is, with ``Settings`` in place of ``Ingester``.
    """
    import sys

    for base in ingester.__mro__:
        name = base.__name__.removesuffix(_INGESTER) + "Settings"
        found = getattr(sys.modules.get(base.__module__), name, None)
        if isinstance(found, type) and issubclass(found, served.IngesterSettings):
            return found
    return served.IngesterSettings


class UserIngester(GivesMessages):
    """Read one stream of a user's ingester.

    Parameters
    ----------
    ingester
        ``module:Class``, looked for where other user code is.
    connect
        Its ``upstream_url``.
    name
        Of the stream, as ``run_source`` gets it.
    software
        Addresses by stream: to where the values go that ``software_trigger`` gives with each frame of this one.
    """

    traits = Traits(has_start=False, has_end=False)
    folder: str = "."

    def __init__(self, ingester: str, connect: str, name: str, software: dict[str, str] | None = None) -> None:
        self._class = ingester
        self._connect = connect
        self._name = name
        self._software = dict(software or {})

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Give what the user's generator gives."""
        kind: Any = find_user_class(self._class, Path(self.folder))
        streams = [self._name, *self._software]
        ingester = kind(settings=settings_of(kind)(ingester_streams=streams, upstream_url=self._connect))
        outlets: dict[str, Any] = {}
        try:
            outlets = _outlets(ingester, self._software)
            values = self._values(ingester) if outlets else iter(())
            count = 0
            async for data in ingester.run_source(self._name):
                if isinstance(data, served.IsSoftwareTriggered):
                    text = f"{self._class} reads {self._name} by software; write --stream {self._name}=software,STREAM"
                    raise UserCodeError(text, stage=self._name)
                for name, value in self._read(values):
                    await outlets[name].send_multipart(_handed(value, count))
                yield message_of_frames(data.typ, data.frames)
                count += 1
        finally:
            for socket in outlets.values():
                socket.close(linger=1000)
            await ingester.stop_source(self._name)
            await ingester.close()

    def _values(self, ingester: Any) -> Iterator[Mapping[str, Any]]:
        trigger = getattr(ingester, "software_trigger", None)
        if trigger is None:
            text = f"{self._class} has no software_trigger, which would read {', '.join(self._software)}"
            raise UserCodeError(text, stage=self._name)
        return iter(trigger())

    def _read(self, values: Iterator[Mapping[str, Any]]) -> list[tuple[str, Any]]:
        """Return the values of this moment, for each stream that is read by software."""
        if not self._software:
            return []
        found = next(values, None)
        if found is None or (lacking := [name for name in self._software if name not in found]):
            what = "has ended" if found is None else f"gives no {', '.join(lacking)}"
            raise UserCodeError(
                f"{self._class}: software_trigger {what}; it gives each at every frame", stage=self._name
            )
        return [(name, found[name]) for name in self._software]


class SoftwareRaw(Decoder):
    """What `UserIngester` hands over: a header with ``typ`` and the number of the frame it goes with, then frames."""

    traits = Traits(number="n", first=0, has_start=False, has_end=False, socket="pull")

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Give the message; see the base."""
        header = json_object(parts[0]) if parts else {}
        typ, number = header.get("typ"), header.get("n")
        if not isinstance(typ, str) or type(number) is not int or number < 0:
            raise RemoteProtocolError("no value that was read by software")
        yield message_of_frames(typ, parts[1:], key=number, timestamp_ns=received_ns)


class SoftwareFrames(ZmqSource):
    """A stream that a user's ingester reads by software, whenever another stream of it has a frame."""

    decoder = SoftwareRaw


def _outlets(ingester: Any, addresses: Mapping[str, str]) -> dict[str, Any]:
    if not addresses:
        return {}
    import zmq

    found = {}
    for name, address in addresses.items():
        found[name] = ingester.ctx.socket(zmq.PUSH)
        found[name].bind(address)
    return found


def _handed(value: Any, number: int) -> list[Any]:
    return [msgspec.json.encode({"typ": value.typ, "n": number}), *value.frames]
