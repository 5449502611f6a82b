"""An event as a Worker gets it, the streams in it, and the result as a Reducer gets it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EventData", "InternalWorkerMessage", "ResultData", "StreamData", "frame_of"]

SMALL = 1 << 16
"""Bytes up to which a frame is a copy: headers, which are to be read as ``bytes``."""


class _SmallFrame(bytes):
    """A frame that is ``bytes``, with what a frame of ZeroMQ has beside."""

    __slots__ = ()

    @property
    def bytes(self) -> bytes:
        """The frame itself."""
        return self

    @property
    def buffer(self) -> memoryview:
        """The frame without a copy."""
        return memoryview(self)


class _LargeFrame(np.ndarray[Any, Any]):
    """A frame that is not copied: (bytes,) uint8, read-only, with what a frame of ZeroMQ has beside."""

    @property
    def bytes(self) -> bytes:
        """A copy."""
        return self.tobytes()

    @property
    def buffer(self) -> memoryview:
        """The frame without a copy."""
        return memoryview(self.data)


def frame_of(array: NDArray[np.uint8]) -> Any:  # bytes or an array, each with ``bytes`` and ``buffer``
    """Return a frame: up to 64 kB a copy that is ``bytes``, else a view, so that no image is copied.

    >>> frame_of(np.frombuffer(b"{}", np.uint8)).bytes
    b'{}'
    """
    return _SmallFrame(array.tobytes()) if array.nbytes <= SMALL else array.view(_LargeFrame)


@dataclass(kw_only=True)
class StreamData:
    """What one stream contributes to an event: all parts of one packet."""

    typ: str
    """Says which ``parse`` reads it, such as ``STINS``."""
    frames: list[Any]  # bytes, frames of ZeroMQ, or arrays of bytes
    """As they came."""

    @property
    def length(self) -> int:
        """How many frames."""
        return len(self.frames)

    def get_bytes(self) -> "StreamData":
        """Return a copy whose frames are ``bytes``."""
        return StreamData(typ=self.typ, frames=[as_bytes(frame) for frame in self.frames])


def as_bytes(frame: Any) -> bytes:  # any frame
    """Return the bytes of a frame.

    Raises
    ------
    TypeError
        If it is none.
    """
    if isinstance(frame, str):
        return frame.encode()
    return bytes(memoryview(frame))


def buffer_of(frame: Any) -> memoryview:  # any frame
    """Return the bytes of a frame without a copy."""
    return memoryview(frame).cast("B")


@dataclass(kw_only=True)
class InternalWorkerMessage:
    """What one ingester has of an event: one or more streams."""

    event_number: int
    streams: dict[str, StreamData] = field(default_factory=dict)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def get_all_frames(self) -> list[Any]:
        """Return the frames of all streams, one stream's behind the other's."""
        return [frame for stream in self.streams.values() for frame in stream.frames]


@dataclass(kw_only=True)
class EventData:
    """An event as a Worker gets it."""

    event_number: int
    """By the trigger map; 0 is the start."""
    streams: dict[str, StreamData]
    """Those that contribute to the event and go to this worker."""

    @classmethod
    def from_internals(cls, msgs: Sequence[InternalWorkerMessage]) -> "EventData":
        """Put together what several ingesters have of one event.

        Raises
        ------
        ValueError
            If there is nothing, or it is of different events, or a stream comes twice.
        """
        numbers = {message.event_number for message in msgs}
        if len(numbers) != 1:
            raise ValueError(f"an event is made of messages of one event, and these are of {sorted(numbers) or 'none'}")
        names = [name for message in msgs for name in message.streams]
        if twice := sorted(_repeated(names)):
            raise ValueError(f"event {msgs[0].event_number}: {', '.join(twice)} comes from more than one ingester")
        streams = {name: stream for message in msgs for name, stream in message.streams.items()}
        return cls(event_number=msgs[0].event_number, streams=streams)


@dataclass(kw_only=True)
class ResultData:
    """What a Worker returned, as a Reducer gets it; in the order of the events."""

    event_number: int
    worker: str
    parameters_hash: str | None
    payload: Any


def _repeated(names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
