"""The rooms of a pipeline and what leads from one to the other, as whoever draws it wants them; plain values."""

from collections.abc import Iterator
from typing import Final

import msgspec

from penstock.pipeline.graph import details
from penstock.pipeline.graph_layout import links_of
from penstock.pipeline.plan import Plan

__all__ = ["NO_FLOW", "FlowPlan", "PlannedLink", "PlannedRoom", "flow_plan"]


class PlannedRoom(msgspec.Struct, frozen=True, kw_only=True):
    """A source, join, merge, stage or sink."""

    name: str
    kind: str
    """``source``, ``join``, ``merge``, ``steps``, ``map``, ``reduce`` or ``sink``."""
    says: tuple[str, ...] = ()
    """What is worth saying of it beside its kind, a few words each."""


class PlannedLink(msgspec.Struct, frozen=True, kw_only=True):
    """What leads from one room to another."""

    producer: str
    consumer: str
    is_condition: bool = False
    """Whether what passes decides about items and carries none."""


class FlowPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline as a graph."""

    rooms: tuple[PlannedRoom, ...] = ()
    """In the order of the flow."""
    links: tuple[PlannedLink, ...] = ()


NO_FLOW: Final = FlowPlan()


def flow_plan(plan: Plan) -> FlowPlan:
    """Return the graph of a plan."""
    links = (PlannedLink(producer=a, consumer=b, is_condition=is_condition) for a, b, is_condition in links_of(plan))
    return FlowPlan(rooms=tuple(_rooms(plan)), links=tuple(links))


def _rooms(plan: Plan) -> Iterator[PlannedRoom]:
    kinds = dict.fromkeys(plan.sources, "source") | dict.fromkeys(plan.joins, "join")
    kinds |= dict.fromkeys(plan.merges, "merge") | {name: str(stage.kind) for name, stage in plan.stages.items()}
    kinds |= dict.fromkeys(plan.sinks, "sink")
    for name, (title, *says) in details(plan).items():
        kind = kinds[name]
        more = [title] if title != kind and kind in ("map", "reduce", "steps") else []
        yield PlannedRoom(name=name, kind=kind, says=tuple(filter(None, [*more, *says])))
