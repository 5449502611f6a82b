"""Kept events as files: HDF5 for whoever has a viewer, or a dump of CBOR items as dranspose writes them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from penstock.core.encoding import plain_encodings
from penstock.core.event import Event, Part
from penstock.core.message import Message
from penstock.errors import PenstockError, ResultTypeError, SinkError
from penstock.wire.item_json import item_json

__all__ = ["ENDINGS", "TYP", "save_events"]

TYP: Final = "dranspose.typ"
"""In the metadata of what came through a source for classes of dranspose: the ``typ`` of the frames that it holds."""
OWN_TYP: Final = "penstock"
"""The ``typ`` of any other message: its first frame is JSON that says all but the arrays, the others are these."""


def save_events(events: Sequence[Event], path: Path) -> None:
    """Write events to a new file, in the form that its ending says.

    Raises
    ------
    SinkError
        If the file cannot be written, or is there already.
    ResultTypeError
        If metadata cannot be written as JSON.
    """
    try:
        ENDINGS[path.suffix](events, path)
    except FileExistsError as error:
        raise SinkError(f"{path} is there already; name another file") from error
    except OSError as error:
        raise SinkError(f"{path} cannot be written: {error.strerror or error}") from error


def _save_dump(events: Sequence[Event], path: Path) -> None:
    from penstock.formats.ingester_dump import DumpedEvent, encode_event

    items = [encode_event(DumpedEvent(event.number, _streams(event))) for event in events]
    with path.open("xb") as file:
        file.writelines(items)


def _streams(event: Event) -> Mapping[str, Any]:
    from penstock.formats.ingester_dump import DumpedStream

    there = [(name, part) for name, part in zip(event.names, event.parts, strict=True) if part is not None]
    return {name: DumpedStream(*_frames(part)) for name, part in there}


def _frames(part: Part) -> tuple[str, tuple[bytes, ...]]:
    """Return typ and frames of a part: those that the instrument sent, if they are kept."""
    assert part is not None
    if isinstance(part, Message) and TYP in part.metadata:
        return str(part.metadata[TYP]), tuple(buffer.tobytes() for buffer in part.buffers)
    messages = part if isinstance(part, tuple) else (part,)
    head = [{**_facts(message), "arrays": _arrays(message)} for message in messages]
    buffers = (buffer.tobytes() for message in messages for buffer in message.buffers)
    return OWN_TYP, (item_json(head if isinstance(part, tuple) else head[0]), *buffers)


def _facts(message: Message) -> dict[str, Any]:
    fields = ("id", "key", "timestamp_ns", "metadata")
    return {name: getattr(message, name) for name in fields}


def _arrays(message: Message) -> list[dict[str, Any]]:
    encodings = [*plain_encodings(message.encodings), *[None] * len(message.buffers)]
    return [
        {"dtype": buffer.dtype.str, "shape": list(buffer.shape), "encoding": encoding}
        for buffer, encoding in zip(message.buffers, encodings, strict=False)
    ]


def _save_hdf5(events: Sequence[Event], path: Path) -> None:
    from penstock.extra import extra

    with extra("run"):
        import h5py

    with h5py.File(path, "x") as file:
        root = file.create_group("events")
        for event in events:
            if str(event.number) in root:  # it was given again, and is the same
                continue
            group = root.create_group(str(event.number))
            for name, part in zip(event.names, event.parts, strict=True):
                if isinstance(part, Message):
                    _write_message(group.create_group(name), part)
                elif part is not None:
                    of_range = group.create_group(name)
                    for k, message in enumerate(part):
                        _write_message(of_range.create_group(str(k)), message)


def _write_message(group: Any, message: Message) -> None:  # an h5py.Group
    group.attrs["id"] = message.id
    group.attrs["timestamp_ns"] = message.timestamp_ns
    if message.key is not None:
        group.attrs["key"] = np.uint64(message.key)
    try:
        group.attrs["metadata"] = item_json(dict(message.metadata)).decode()
    except ResultTypeError as error:
        group.attrs["metadata_missing"] = str(error)
    for k, buffer in enumerate(message.buffers):
        name = "array" if k == 0 else f"array_{k}"
        try:
            group.create_dataset(name, data=message.arrays[k])
        except PenstockError as error:  # it cannot be decoded here: as it came, and why
            dataset = group.create_dataset(name, data=buffer)
            dataset.attrs["not_decoded"] = str(error)


ENDINGS: Final[Mapping[str, Callable[[Sequence[Event], Path], None]]] = {".cbors": _save_dump, ".h5": _save_hdf5}
"""What writes a file with this ending."""
