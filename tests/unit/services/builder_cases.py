"""What the tests of the event builder's parts share: the order of a run of two instruments, and who plays in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from penstock.core.ledger import Entry
from penstock.services.orders import BuilderOrder, JoinOrder, StageOrder
from penstock.services.peer import Peer
from penstock.wire.values import encode_value
from tests.unit.services.floor_cases import Actor

SCAN = JoinOrder(
    name="scan", streams=("a", "b"), by="key", options=encode_value({}), incomplete="drop", wait_s=1.0
)  # fmt: skip
FIT = StageOrder(
    name="fit", kind="map", inputs=(("", "scan"),), producers=(("", "scan"),), workers=2, order="kept",
    on_error="fail", tags=(),
)  # fmt: skip


def order(**changes: Any) -> BuilderOrder:
    """Return what the event builder is to be: ``a`` and ``b`` are joined, and fitted."""
    given: dict[str, Any] = {
        "pipeline": "p", "run": "r1", "started_ns": 1, "sources": ("a", "b"), "joins": (SCAN,), "merges": (),
        "stages": (FIT,), "sinks": (), "maps": encode_value({}), **changes,
    }  # fmt: skip
    return BuilderOrder(**given)


@dataclass
class Told:
    """A stage that is as a test says, and works on nothing."""

    name: str = "fit"
    is_idle: bool = True
    is_settled: bool = True
    holds: bool = False
    is_held: bool = False
    renumbers: bool = False
    next_number: int = 0
    peers: dict[str, Peer] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)


@contextmanager
def actors(*names: str, role: str = "map", of: str = "fit") -> Iterator[list[Actor]]:
    """Return processes that the test plays, each ready; those of sources serve the one of their own name."""
    found = [Actor(name, name if role == "source" else of, role) for name in names]
    for actor in found:
        actor.peer.is_ready = True
    try:
        yield found
    finally:
        for actor in found:
            actor.close()
