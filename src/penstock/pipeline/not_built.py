"""Keys of the grammar whose meaning is not built yet: the file may say them, ``check`` names them, ``run`` refuses."""

from collections.abc import Iterator

from penstock.pipeline.chosen_input import chosen_input
from penstock.pipeline.document import Trail
from penstock.pipeline.plan import Plan, SinkPlan, StagePlan
from penstock.pipeline.spec import PipelineSpec, SinkSpec, StageSpec

__all__ = ["choices_not_built", "keys_not_built", "words_of_chains"]


def keys_not_built(spec: PipelineSpec, *, is_chains: bool) -> Iterator[tuple[Trail, str]]:
    """Yield the trail of each such key, and what it asks for.

    Parameters
    ----------
    is_chains
        Whether it is nothing but chains of plain values, whose engine knows more of these words.
    """
    if spec.serve is not None and spec.serve.tokenless:
        yield ("serve", "tokenless"), "serving clients that cannot send a token is not built yet"
    for name, source in spec.sources.items():
        if source.when_full not in ("block", "drop_newest"):
            yield ("sources", name, "when_full"), f"{source.when_full} is not built yet; block and drop_newest are"
    for name, stage in spec.stages.items():
        if not is_chains:
            yield from _of_stage(name, stage)
    for name, sink in spec.sinks.items():
        is_view = sink.input in spec.stages and spec.stages[sink.input].kind == "reduce"
        yield from _of_sink(name, sink, is_view=is_view, is_chains=is_chains)


def _of_sink(name: str, sink: SinkSpec, *, is_view: bool, is_chains: bool) -> Iterator[tuple[Trail, str]]:
    if sink.when not in (None, "item") and not is_view:
        yield ("sinks", name, "when"), "writing items only now and then is not built yet"
    if sink.when_full != "block" and not is_chains:
        yield ("sinks", name, "when_full"), "dropping before a sink that is full is not built yet"
    if sink.on_error != "fail":
        yield ("sinks", name, "on_error"), "going on after a failed write is not built yet"


def _of_stage(name: str, stage: StageSpec) -> Iterator[tuple[Trail, str]]:
    if stage.kind == "steps" and stage.most_workers > 1:
        yield ("stages", name, "workers"), "steps in parallel are not built yet"
    if stage.run_in == "thread":
        yield ("stages", name, "run_in"), "workers in threads are not built yet"
    if stage.when_full != "block":
        yield ("stages", name, "when_full"), "dropping before a stage that is full is not built yet"


def choices_not_built(plan: Plan) -> Iterator[tuple[Trail, str]]:
    """Yield the trail of each ``where`` that cannot be followed yet, and why."""
    for name, sink in plan.sinks.items():
        if sink.where is not None and (why := chosen_input(plan, sink)[2]):
            yield ("sinks", name, "where"), why


def words_of_chains(plan: Plan) -> list[str]:
    """Return what a plan asks for that only the chains engine has, one sentence each."""
    entries: list[StagePlan | SinkPlan] = [stage for stage in plan.stages.values() if stage.kind == "steps"]
    entries += plan.sinks.values()
    found = [f"{entry.name}: when_full {entry.when_full}" for entry in entries if entry.when_full != "block"]
    for stage in plan.stages.values():
        if stage.kind == "steps" and stage.most_workers > 1:
            found.append(f"{stage.name}: {stage.most_workers} workers of steps")
        elif stage.run_in == "thread":
            found.append(f"{stage.name}: run_in thread")
    return found
