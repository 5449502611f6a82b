"""An event of ours as an event of dranspose's: each part becomes frames with a ``typ``.

Parts that came through a source of this package hold what the instrument sent, part by part. So do events out of a
dump, each of which is one message for all its streams.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.compat.dranspose.served.event import EventData, InternalWorkerMessage, StreamData, buffer_of, frame_of
from penstock.core.event import Event
from penstock.core.message import Message
from penstock.errors import UserCodeError

__all__ = ["STREAMS", "TYP", "event_data", "message_of_event", "message_of_frames"]

TYP: Final = "dranspose.typ"
"""In a message's metadata: the ``typ`` of the stream whose frames it holds."""
STREAMS: Final = "dranspose.streams"
"""In a message's metadata: name, typ and number of frames of each stream whose frames it holds."""
NUMBER: Final = "dranspose.event"


def event_data(item: Any) -> EventData:  # an Event, or a Message out of a dump
    """Return an event as a Worker of dranspose gets it; frames larger than 64 kB are not copied.

    Raises
    ------
    UserCodeError
        If it came through a source that keeps no frames.
    """
    if isinstance(item, Message):
        return _of_dump(item)
    event: Event = item
    if len(event.parts) == 1 and isinstance(event.parts[0], Message) and STREAMS in event.parts[0].metadata:
        return _of_dump(event.parts[0])
    streams = {
        name: _stream(name, part) for name, part in zip(event.names, event.parts, strict=True) if part is not None
    }
    return EventData(event_number=event.number, streams=streams)


def message_of_frames(typ: str, frames: Sequence[Any], **fields: Any) -> Message:
    """Return the message that holds a packet's frames as they came."""
    first, *more = [_array(frame) for frame in frames] or [np.zeros(0, np.uint8)]
    return Message(metadata={TYP: typ}, array=first, more=tuple(more), **fields)


def message_of_event(messages: Iterable[InternalWorkerMessage]) -> Message:
    """Return one message for what several ingesters have of one event."""
    event = EventData.from_internals(list(messages))
    described = [[name, stream.typ, stream.length] for name, stream in event.streams.items()]
    arrays = [_array(frame) for stream in event.streams.values() for frame in stream.frames] or [np.zeros(0, np.uint8)]
    metadata = {NUMBER: event.event_number, STREAMS: described}
    return Message(metadata=metadata, array=arrays[0], more=tuple(arrays[1:]))


def _array(frame: Any) -> NDArray[np.uint8]:
    view = buffer_of(frame)
    return np.frombuffer(view, np.uint8) if view.nbytes else np.zeros(0, np.uint8)


def _of_dump(message: Message) -> EventData:
    frames = iter(message.buffers)
    streams = {
        name: StreamData(typ=typ, frames=[frame_of(next(frames)) for _ in range(length)])
        for name, typ, length in message.metadata[STREAMS]
    }
    return EventData(event_number=message.metadata[NUMBER], streams=streams)


def _stream(name: str, part: Any) -> StreamData:
    if not isinstance(part, Message) or TYP not in part.metadata:
        raise UserCodeError(
            f"{name}: its source keeps no frames, which classes of dranspose want; "
            "give it a source of penstock.compat.dranspose.ingesters",
            stage=name,
        )
    return StreamData(typ=part.metadata[TYP], frames=[frame_of(each) for each in part.buffers])
