"""What numbers the items that a stage or a sink is given: joins, merges, or sources."""

from collections.abc import Mapping

from penstock.pipeline.lanes import split_input
from penstock.pipeline.plan import Plan

__all__ = ["roots_of"]


def roots_of(plan: Plan) -> Mapping[str, frozenset[str]]:
    """Return the joins, merges and sources behind every stage."""
    found: dict[str, frozenset[str]] = {}
    for name, stage in plan.stages.items():  # in the order of the flow
        producers = [split_input(written)[0] for _, written in stage.inputs]
        found[name] = frozenset().union(*(found.get(producer, frozenset([producer])) for producer in producers))
    return found
