"""What a sink is told of its run when it opens."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penstock.elements.sink import RunFacts
from penstock.pipeline.plan import Plan, SinkPlan
from penstock.services.element_orders import plain
from penstock.services.recording import about_run

__all__ = ["facts_for"]


def facts_for(
    plan: Plan, sink: SinkPlan | None, facts: RunFacts, engine: str, parameters: Mapping[str, Any] | None = None
) -> RunFacts:
    """Return what a sink is told of its run: what it reads, and, if it tells all, where everything comes from."""
    if sink is None:
        return facts
    stage = plan.stages.get(sink.input)
    is_views = stage is not None and stage.kind == "reduce"
    about: dict[str, Any] = {}
    if sink.tells_all:
        about = about_run(plan, facts.run, facts.started, engine) | {"parameters": plain(dict(parameters or {}))}
        about.pop("sources", None)  # of what is recorded
    return replace(facts, input=sink.input, is_views=is_views, about=about)
