"""One Tango device: a thread of its own that polls its attributes or subscribes to their events, and looks for it.

Every call of the library may wait for seconds, so none is made by who reads. Nothing is ever written to the device.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from penstock.extra import extra

__all__ = ["Hearing", "TangoLink", "as_device"]

LOOK_S: Final = 1.0
"""How often a device that is gone is looked for, and one that says nothing is asked whether it is there."""
_PATIENCE_S: Final = 5.0
"""For a call that is under way at the end; Tango's own patience is 3 s."""
_MISSING: Final = ("API_AttrNotFound",)
_UNSUPPORTED: Final = (
    "API_AttributePollingNotStarted",
    "API_EventPropertiesNotSet",
    "API_EventSupplierNotConfigured",
    "API_CommandNotFound",
)
"""Reasons for which a device sends no such events."""
_GONE: Final = ("API_EventTimeout",)


class Hearing(Protocol):
    """What a link tells, from its thread or the library's."""

    def hear(self, name: str, said: Any, nbytes: int = 0) -> None:
        """Take what was said."""

    def miss(self, name: str, why: str) -> None:
        """Note that something is heard no more, for now."""

    def refuse(self, name: str, why: str) -> None:
        """Note that something will never be heard."""


def as_device(device: str) -> str:
    """Return a device's name as Tango wants it.

    Raises
    ------
    ValueError
        If it has not three parts behind its host.
    """
    path = device.partition("://")[2].partition("/")[2] if "://" in device else device
    if len(path.partition("#")[0].split("/")) != 3 or not all(path.split("/")):
        raise ValueError(
            f'device is "{device}"; write domain/family/member, with tango://host:port/ before it if TANGO_HOST does '
            "not say where, and #dbase=no behind it for a server without a database"
        )
    return device


class TangoLink:
    """Listen to a device, from `begin` to `end`.

    Parameters
    ----------
    device
        Its name, as `as_device` has it.
    attributes
        What to listen to.
    event
        Kind of events; ``None`` to poll.
    every_s
        How often to poll, in s.
    hearing
        Who is told.
    """

    def __init__(self, device: str, attributes: list[str], event: str | None, every_s: float, hearing: Hearing) -> None:
        self._device = device
        self._attributes = attributes
        self._event = event
        self._every_s = every_s
        self._hearing = hearing
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._proxy: Any = None  # tango.DeviceProxy, which only this extra has
        self._subscribed: dict[str, int] = {}
        self.units: dict[str, str] = {}
        """Of attributes that have one, once the device was reached."""
        self.why = ""
        """Why it was not reached, the last time."""

    def begin(self) -> None:
        """Begin, without waiting.

        Raises
        ------
        MissingExtraError
            If PyTango is not installed.
        """
        with extra("tango"):
            import tango  # noqa: F401 - 1 s, and whoever has not got it is to be told here
        self._thread = threading.Thread(target=self._live, name=f"tango {self._device}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End; may be called twice."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)
        self._thread = None

    def _live(self) -> None:
        try:
            while not self._is_over.is_set():
                self._try(self._listen)
                self._is_over.wait(LOOK_S)
        except Exception as error:  # noqa: BLE001 - the edge of a thread; whoever reads fails with it
            for name in self._attributes:
                self._hearing.refuse(name, f"{self._device}: {type(error).__name__}: {error}")
        finally:
            self._try(self._unsubscribe)

    def _try(self, act: Callable[[], None]) -> None:
        """Act; a device that does not answer is missed."""
        from tango import DevFailed

        try:
            act()
        except DevFailed as error:
            self.why = said_of(error)
            for name in self._attributes:
                self._hearing.miss(name, self.why)

    def _listen(self) -> None:
        """Listen until the end, or until the device is gone."""
        from tango import DeviceProxy

        if self._proxy is None:
            self._proxy = DeviceProxy(self._device)
        self._proxy.ping()
        if not self._are_there():
            self._is_over.wait()
        elif self._event is None:
            self._poll()
        else:
            self._subscribe()
            while not self._is_over.wait(LOOK_S):
                self._proxy.ping()

    def _are_there(self) -> bool:
        """Return whether the device has all attributes; if not, refuse those it has not."""
        there = {info.name.lower(): info for info in self._proxy.attribute_list_query()}
        for name in self._attributes:
            info = there.get(name.lower())
            if info is None:
                self._hearing.refuse(name, f"{self._device} has no such attribute; it has {_listed(there)}")
                return False
            if info.unit and info.unit != "No unit":
                self.units[name] = info.unit
        return True

    def _poll(self) -> None:
        due = time.monotonic()
        while not self._is_over.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._every_s, time.monotonic())
            for name, said in zip(self._attributes, self._proxy.read_attributes(self._attributes), strict=True):
                self._hearing.hear(name, said, _nbytes(said))

    def _subscribe(self) -> None:
        from tango import DevFailed, EventType

        self._unsubscribe()
        kind = getattr(EventType, f"{self._event}_EVENT".upper())
        for name in self._attributes:
            try:
                self._subscribed[name] = self._proxy.subscribe_event(name, kind, self._happened)
            except DevFailed as error:
                if not any(each.reason in _UNSUPPORTED for each in error.args):
                    raise
                why = f"{self._device} sends no {self._event} events of it ({said_of(error)}); poll it with every_s"
                self._hearing.refuse(name, why)

    def _unsubscribe(self) -> None:
        subscribed, self._subscribed = self._subscribed, {}
        for number in subscribed.values():
            self._proxy.unsubscribe_event(number)

    def _happened(self, event: Any) -> None:
        """Take an event; in a thread of the library."""
        name = self._name_of(event.attr_name)
        if event.err and any(each.reason in _GONE for each in event.errors):
            self._hearing.miss(name, event.errors[0].desc.strip())
        else:
            self._hearing.hear(name, event.errors if event.err else event.attr_value, _nbytes(event.attr_value))

    def _name_of(self, path: str) -> str:
        last = path.partition("#")[0].rpartition("/")[2].lower()
        return next((name for name in self._attributes if name.lower() == last), last)


def said_of(error: Any) -> str:
    """Return what Tango says first of a failure, on one line."""
    said = error.args[0] if error.args else error
    return " ".join(str(getattr(said, "desc", said)).split())


def _listed(there: dict[str, Any]) -> str:
    return ", ".join(sorted(info.name for info in there.values()))


def _nbytes(said: Any) -> int:
    return int(getattr(getattr(said, "value", None), "nbytes", 0)) + 256
