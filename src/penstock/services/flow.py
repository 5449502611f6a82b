"""What passes between the rooms of a pipeline, and the way out of a room.

Rooms are thin: they hand ranges to the pure core and call user code. They know neither sockets nor processes.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core import Block, EventBatch, Kind
from penstock.core.origin import Origins, united
from penstock.core.result_range import FarValues, ResultRange
from penstock.elements.plain_message import is_plain, values_of
from penstock.services.sharing import share

__all__ = [
    "Flow",
    "Outlet",
    "Room",
    "copies_in",
    "is_counted",
    "items_of",
    "kind_of",
    "lane_of",
    "numbers_of",
    "origins_of",
    "with_values",
]

Flow = Block | EventBatch | ResultRange
"""Messages of a source, events of a join, or what a stage made of either."""


def kind_of(flow: Flow) -> Kind:
    """Return whether this is data, a start or an end."""
    return Kind.DATA if isinstance(flow, ResultRange) else flow.kind


def numbers_of(flow: Flow) -> NDArray[np.int64]:
    """(n,), the numbers of the events, or the ids of the messages."""
    return flow.ids.astype(np.int64) if isinstance(flow, Block) else flow.numbers


def items_of(flow: Flow) -> Iterable[Any]:
    """Yield what user code gets: messages or the plain values they are, events, or values (``None``: no result)."""
    if isinstance(flow, Block):
        return values_of(flow) if is_plain(flow) else flow.messages()
    if isinstance(flow, EventBatch):
        return flow.events()
    assert not isinstance(flow.values, FarValues), "these lie in another process"
    return flow.values if flow.values is not None else ()


def with_values(flow: Flow) -> Flow:
    """Return what has items: of results, the events that user code returned something for."""
    if not isinstance(flow, ResultRange):
        return flow
    if flow.values is None:
        return flow.take(slice(0, 0))
    if isinstance(flow.values, FarValues):
        present = flow.values.present
        return flow if present is None else flow.take(np.flatnonzero(present))
    if isinstance(flow.values, np.ndarray):
        return flow
    has_value = [value is not None for value in flow.values]
    return flow if all(has_value) else flow.take(np.flatnonzero(has_value))


def copies_in(flow: Flow, stage: str) -> str:
    """Say what is wrong if an event is in a flow twice; a map stage answers for each event once."""
    if not isinstance(flow, ResultRange) or len(flow) < 2 or (flow.numbers[1:] > flow.numbers[:-1]).all():
        return ""
    number = int(flow.numbers[1:][flow.numbers[1:] <= flow.numbers[:-1]][0])
    return (
        f"stage {stage}: event {number} went to several workers of {flow.stage}, whose results it cannot all work on; "
        f"let {stage} read what {flow.stage} reads, or reduce the results"
    )


def origins_of(flow: Flow) -> Origins:
    """Return what tells the sources of a flow that it is accounted for."""
    if isinstance(flow, EventBatch):
        return united(part.block.origins for part in flow.parts if part.block is not None)
    return flow.origins


def lane_of(flow: Flow, own: str) -> str:
    """Return by which lane results of a flow leave: that of their input, or the one by which they came in."""
    return own or (flow.lane if isinstance(flow, ResultRange) else "")


def shared_out(flow: Flow, count: int) -> list[Flow]:
    """Return a flow as each of several readers gets it: none can change plain values under another's hands."""
    if isinstance(flow, Block) and flow.metadata is not None and is_plain(flow):
        return [flow, *(replace(flow, metadata=share([*flow.metadata])) for _ in range(count - 1))]
    if isinstance(flow, ResultRange) and isinstance(flow.values, list):
        return [flow, *(replace(flow, values=share(flow.values)) for _ in range(count - 1))]
    return [flow] * count


def is_counted(flow: Flow, producer: str) -> bool:
    """Whether a start or an end is a message like others: an instrument's own; a start event has no number."""
    return isinstance(flow, Block) and flow.stream == producer and flow.kind is not Kind.DATA


class Room(Protocol):
    """Where flows go: a join, a stage, a sink."""

    name: str

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a flow from one of the room's inputs."""

    def close(self, producer: str, now: int) -> None:
        """Learn that this input will give nothing more."""


class Outlet:
    """The way out of a room: everybody who reads from it gets everything."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rooms: list[Room] = []

    def give(self, flows: Sequence[Flow], now: int) -> None:
        """Hand flows on, in order."""
        for flow in flows:
            self.pass_on(flow, now)

    def pass_on(self, flow: Flow, now: int) -> None:
        """Hand one flow on."""
        count = len(self.rooms)
        flows = [flow] * count if count < 2 else shared_out(flow, count)
        for room, own in zip(self.rooms, flows, strict=True):
            room.take(own, self.name, now)

    def close(self, now: int) -> None:
        """Say that nothing more will come."""
        for room in self.rooms:
            room.close(self.name, now)
