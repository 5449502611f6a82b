"""Bluesky documents, as ``bluesky.callbacks.zmq.Publisher`` sends them: ZeroMQ messages of one part.

A part is ``prefix name document``, two spaces between, where the prefix is mostly empty. The document is a mapping,
pickled (as it is by default), in MessagePack, also with the arrays of msgpack-numpy, or in JSON. What documents hold is
the event model's:

===================================  ===========================================================================
name                                 becomes
===================================  ===========================================================================
start, stop                          START and END, the document as it came
event                                DATA
event_page                           DATA, a message for each of its rows
descriptor                           part of each event of that descriptor that follows
resource, datum, datum_page          part of the events that name them
all others, such as stream_resource  part of the next message, under ``documents``
===================================  ===========================================================================
"""

import math
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.decoder import Decoder, Traits
from penstock.core.document import Document, read_document
from penstock.core.message import MAX_KEY, Kind, Message
from penstock.errors import RemoteProtocolError

__all__ = ["BlueskyDecoder", "encode_document"]

_LONGEST_NAME: Final = 200
"""Of a prefix with a name, in bytes."""
_MOST_KEPT: Final = 100_000
"""Of descriptors, resources and data that have been announced; the oldest are forgotten."""
_MOST_WAITING: Final = 1000
"""Of other documents since the last message."""
_LATEST_S: Final = 9.2e9
"""In the year 2261; 64 bits of nanoseconds hold no more."""


class BlueskyDecoder(Decoder):
    """Decode Bluesky's documents.

    Of an event ``key`` is ``seq_num``, which begins at 1; ``timestamp_ns`` is its ``time``. ``metadata`` has the
    document's ``uid``, ``time``, ``seq_num``, ``data`` and ``timestamps``; ``stream``, the name of its descriptor;
    ``run``, the uid of its run; ``descriptor``, that document; for each field that is not ``filled``,
    ``external[field]``: the datum with its ``resource``. Arrays in ``data`` are taken out of it: they are ``array``
    and ``more``, and ``metadata["buffers"]`` has the names of their fields, in order.

    Parameters
    ----------
    prefix
        What messages must begin with to be taken; others count as filtered. Empty: all are taken.
    stream_name
        Whose events are taken, by the name of the descriptor; others count as filtered. Empty: all are, without
        ``key``, because each stream has its own numbers.
    """

    traits = Traits(number="seq_num", first=1, clock="time", pickled=True, socket="sub")

    def __init__(self, prefix: str = "", stream_name: str = "primary") -> None:
        self._prefix = prefix.encode()
        self._stream_name = stream_name
        self._descriptors: dict[str, Document] = {}
        self._resources: dict[str, Document] = {}
        self._data: dict[str, Document] = {}
        self._waiting: list[Document] = []

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode one document; see the class."""
        if len(parts) != 1:
            raise RemoteProtocolError(f"a message of {len(parts)} parts; 1 would be right")
        prefix, name, body = _split(memoryview(parts[0]))
        if self._prefix and prefix != self._prefix:
            self.heartbeats += 1
            return iter(())
        take = _TAKEN.get(name, BlueskyDecoder._other)
        document = read_document(body)
        document = {**document, "name": name} if take is BlueskyDecoder._other else document
        try:
            return iter(take(self, document, received_ns))
        except (KeyError, TypeError, ValueError, OverflowError, IndexError) as error:
            raise RemoteProtocolError(f"no {name} as Bluesky has them: {type(error).__name__}: {error}") from error

    def _start(self, document: Document, _: int) -> list[Message]:
        _text(document, "uid")
        self._waiting.clear()
        return [Message(timestamp_ns=_time_ns(document), metadata=document, kind=Kind.START)]

    def _stop(self, document: Document, _: int) -> list[Message]:
        _text(document, "run_start")
        return [Message(timestamp_ns=_time_ns(document), metadata=self._with_waiting(document), kind=Kind.END)]

    def _event(self, document: Document, _: int) -> list[Message]:
        return self._events([document], self._descriptor_of(document))

    def _event_page(self, page: Document, _: int) -> list[Message]:
        descriptor = self._descriptor_of(page)
        return self._events([_row(page, at) for at in range(_rows(page, "seq_num"))], descriptor)

    def _events(self, events: list[Document], descriptor: Document) -> list[Message]:
        if self._stream_name and descriptor["name"] != self._stream_name:
            self.heartbeats += 1
            return []
        made = [self._message(event, descriptor) for event in events]
        if made and self._waiting:
            made[0] = msgspec.structs.replace(made[0], metadata=self._with_waiting(made[0].metadata))
        return made

    def _message(self, event: Document, descriptor: Document) -> Message:
        number = event["seq_num"]
        if type(number) is not int or not 0 <= number <= MAX_KEY:
            raise ValueError(f"seq_num is {number!r}")
        values, stamps = _mapping(event, "data"), _mapping(event, "timestamps")
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray) and value.ndim}
        metadata: Document = {
            "uid": _text(event, "uid"),
            "time": event["time"],
            "seq_num": number,
            "data": {name: value for name, value in values.items() if name not in arrays} if arrays else values,
            "timestamps": stamps,
            "stream": descriptor["name"],
            "run": descriptor["run_start"],
            "descriptor": descriptor,
        }
        if external := self._external(values, event.get("filled") or {}):
            metadata["external"] = external
        if arrays:
            metadata["buffers"] = list(arrays)
        first, *more = map(_sealed, arrays.values()) if arrays else (None,)
        key = number if self._stream_name else None
        return Message(key=key, timestamp_ns=_time_ns(event), metadata=metadata, array=first, more=tuple(more))

    def _external(self, values: Document, filled: Any) -> Document:
        found: Document = {}
        for name in [name for name, is_filled in dict(filled).items() if is_filled is False]:
            datum = self._data.get(str(values.get(name)))
            if datum is not None:
                found[name] = {**datum, "resource": self._resources.get(datum["resource"], datum["resource"])}
        return found

    def _descriptor(self, document: Document, _: int) -> list[Message]:
        _text(document, "name")
        _text(document, "run_start")
        _mapping(document, "data_keys")
        _keep(self._descriptors, _text(document, "uid"), document)
        return []

    def _resource(self, document: Document, _: int) -> list[Message]:
        _keep(self._resources, _text(document, "uid"), document)
        return []

    def _datum(self, document: Document, _: int) -> list[Message]:
        _text(document, "resource")
        _keep(self._data, _text(document, "datum_id"), document)
        return []

    def _datum_page(self, page: Document, received_ns: int) -> list[Message]:
        resource, names, columns = _text(page, "resource"), page["datum_id"], _mapping(page, "datum_kwargs")
        for at in range(_rows(page, "datum_id")):
            kwargs = {name: column[at] for name, column in columns.items()}
            self._datum({"datum_id": names[at], "datum_kwargs": kwargs, "resource": resource}, received_ns)
        return []

    def _other(self, document: Document, _: int) -> list[Message]:
        if len(self._waiting) >= _MOST_WAITING:
            raise RemoteProtocolError(f"{document['name']}: {_MOST_WAITING} documents wait for an event already")
        self._waiting.append(document)
        return []

    def _descriptor_of(self, document: Document) -> Document:
        uid = _text(document, "descriptor")
        if uid not in self._descriptors:
            raise RemoteProtocolError(f"an event of descriptor {uid[:40]}, which has not come: its run began before")
        return self._descriptors[uid]

    def _with_waiting(self, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        waiting, self._waiting = self._waiting, []
        return {**metadata, "documents": waiting} if waiting else metadata


_TAKEN: Final[Mapping[str, Callable[[BlueskyDecoder, Document, int], list[Message]]]] = {
    "start": BlueskyDecoder._start,
    "stop": BlueskyDecoder._stop,
    "event": BlueskyDecoder._event,
    "event_page": BlueskyDecoder._event_page,
    "descriptor": BlueskyDecoder._descriptor,
    "resource": BlueskyDecoder._resource,
    "datum": BlueskyDecoder._datum,
    "datum_page": BlueskyDecoder._datum_page,
    "bulk_events": BlueskyDecoder._other,
    "bulk_datum": BlueskyDecoder._other,
    "stream_resource": BlueskyDecoder._other,
    "stream_datum": BlueskyDecoder._other,
}
"""All names that the event model has."""


def _split(part: memoryview) -> tuple[bytes, str, memoryview]:
    head = bytes(part[:_LONGEST_NAME])
    words = head.split(b" ", 2)
    if len(words) < 3:
        raise RemoteProtocolError("no prefix and name with a space behind each before the document")
    prefix, name, _ = words
    if name.decode("latin-1") not in _TAKEN:
        raise RemoteProtocolError(f"a document called {name.decode('latin-1')[:40]!r}, which Bluesky has not")
    return prefix, name.decode(), part[len(prefix) + len(name) + 2 :]


def _sealed(array: NDArray[Any]) -> NDArray[Any]:
    sealed = array.view()
    sealed.flags.writeable = False
    return sealed


def _row(page: Document, at: int) -> Document:
    """Return one event of a page."""
    columns = {
        name: {field: column[at] for field, column in _mapping(page, name).items()} for name in ("data", "timestamps")
    }
    filled = {field: column[at] for field, column in dict(page.get("filled") or {}).items()}
    return {name: page[name][at] for name in ("uid", "time", "seq_num")} | columns | {"filled": filled}


def _rows(page: Document, name: str) -> int:
    column = page[name]
    if not isinstance(column, list):
        raise ValueError(f"{name} is of type {type(column).__name__}, no list")
    return len(column)


def _text(document: Document, name: str) -> str:
    value = document[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r:.40}, no text")
    return value


def _mapping(document: Document, name: str) -> Document:
    value = document[name]
    if not isinstance(value, dict):
        raise ValueError(f"{name} is of type {type(value).__name__}, no mapping")
    return value


def _time_ns(document: Document) -> int:
    time_s = document["time"]
    if not isinstance(time_s, int | float) or not math.isfinite(time_s) or not 0 <= time_s < _LATEST_S:
        raise ValueError(f"time is {time_s!r:.40}")
    whole, rest = divmod(time_s, 1)
    return int(whole) * 1_000_000_000 + round(rest * 1e9)


def _keep(kept: dict[str, Document], name: str, document: Document) -> None:
    kept[name] = document
    if len(kept) > _MOST_KEPT:
        del kept[next(iter(kept))]


def encode_document(
    name: str, document: Mapping[str, Any], serializer: Callable[[Any], bytes] = pickle.dumps, prefix: str = ""
) -> list[bytes]:
    """Return what a publisher sends of a document.

    Parameters
    ----------
    name
        Such as ``event``.
    document
        The document.
    serializer
        What it is written with.
    prefix
        By which publishers are told apart; without a space.
    """
    return [b" ".join([prefix.encode(), name.encode(), serializer(dict(document))])]
