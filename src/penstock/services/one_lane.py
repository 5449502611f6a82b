"""Reads one lane of a stage for a room: the room sees an input of its own, and nothing of other lanes."""

from msgspec.structs import replace

from penstock.core import EventBatch
from penstock.core.result_range import ResultRange
from penstock.pipeline.lanes import split_input
from penstock.services.flow import Flow, Room

__all__ = ["OneLane"]


class OneLane:
    """Stand between a stage's way out and a room that reads one of its lanes.

    Parameters
    ----------
    room
        Gets the results of the lane, and the starts and ends that belong to it.
    written
        What it reads, ``stage.lane``; to the room, that is its producer.
    origins
        Where what comes by this lane comes from.
    """

    def __init__(self, room: Room, written: str, origins: frozenset[str]) -> None:
        self.name = room.name
        self._room = room
        self._written = written
        self._lane = split_input(written)[1]
        self._origins = origins

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Hand on what belongs to the lane; for the room it is an input without lanes."""
        if isinstance(flow, ResultRange):
            if flow.lane == self._lane:
                self._room.take(replace(flow, lane=""), self._written, now)
        elif (flow.join if isinstance(flow, EventBatch) else flow.stream) in self._origins:
            self._room.take(flow, self._written, now)

    def close(self, producer: str, now: int) -> None:
        """Learn that the stage has ended."""
        self._room.close(self._written, now)

    @property
    def is_full(self) -> bool:
        """Whether the room wants nothing more now; rooms of one thread never are."""
        return bool(getattr(self._room, "is_full", False))
