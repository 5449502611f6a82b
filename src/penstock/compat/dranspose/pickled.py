"""Pickles as dranspose's clients read them, and as instruments send them. They are written here, and read nowhere."""

import pickle
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import Any

from penstock.compat.dranspose.served.event import EventData, as_bytes

__all__ = ["pickled", "pickled_events"]

PROTOCOL = 4


def pickled(value: Any) -> bytes:  # of plain values and arrays
    """Return a value as a pickle."""
    return pickle.dumps(value, protocol=PROTOCOL)


def pickled_events(events: Iterable[EventData]) -> bytes:
    """Return a pickled list of the ``EventData`` that whoever reads it imports from ``dranspose.event``."""
    return pickled([_event(event) for event in events])


def _event(event: EventData) -> "_Made":
    streams = {
        name: _Made("StreamData", typ=stream.typ, frames=[as_bytes(frame) for frame in stream.frames])
        for name, stream in event.streams.items()
    }
    return _Made("EventData", event_number=event.event_number, streams=streams)


class _Module:
    """The module ``dranspose.event``, where it is read."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return import_module, ("dranspose.event",)


class _Name:
    """A name of that module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self) -> None:
        """Be nothing here."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return getattr, (_Module(), self._name)


class _Made:
    """An object that a class of that module makes."""

    def __init__(self, name: str, **fields: Any) -> None:
        self._call = partial(_Name(name), **fields)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[()]]:
        return self._call, ()
