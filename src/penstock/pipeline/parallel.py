"""Stages of steps that several workers do at once, and why some steps cannot be done so."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from penstock.core.restart_budget import RESTARTS
from penstock.elements.shape import StepShape
from penstock.errors import CheckError, Problem
from penstock.pipeline.chains import chains_trouble, has_lanes, known_shape
from penstock.pipeline.document import Document
from penstock.pipeline.plan import Plan, StagePlan
from penstock.pipeline.reference import reference_of
from penstock.pipeline.registry import PlannedTarget
from penstock.pipeline.spec import PipelineSpec, SourceSpec, StageSpec

__all__ = ["is_parallel", "parallel_problems", "restarts_problems"]


def is_parallel(stage: StagePlan) -> bool:
    """Whether the steps of a stage of a chain are done by workers beside it: of lanes always, so that none waits."""
    return stage.kind == "steps" and (stage.most_workers > 1 or stage.run_in == "process" or has_lanes(stage))


def parallel_problems(document: Document, plan: Plan) -> Iterator[Problem]:
    """Yield why steps cannot be done by workers; of a pipeline of plain chains only."""
    if chains_trouble(plan):
        return
    for stage in plan.stages.values():
        if not is_parallel(stage):
            continue
        if stage.run_in == "inline" and stage.most_workers > 1:
            text = "inline is one thread, which has no workers"
            yield document.problem(("stages", stage.name, "run_in"), text, "write run_in: thread, or process")
        for index, element in enumerate(stage.elements):
            if isinstance(element.target, PlannedTarget):
                continue
            trail = ("stages", stage.name, "steps", index)
            shape = known_shape(element)
            if stage.most_workers > 1 and shape is not None and (shape is StepShape.BUFFER or shape.takes_upstream):
                text = f"{element.name} is {shape.value}, and each worker would see its own share of the items only"
                yield document.problem(trail, text, "put it in a stage of its own, without workers and run_in")
            elif stage.run_in == "process":
                try:
                    reference_of(element, Path(plan.folder))
                except CheckError as error:
                    for problem in error.problems:
                        remedy = problem.remedy.replace("run inline", "write run_in: thread")
                        yield document.problem(trail, problem.text, remedy)


def restarts_problems(document: Document, spec: PipelineSpec, plan: Plan) -> Iterator[Problem]:
    """Yield where ``restarts`` stands in a pipeline of plain chains, whose engine goes by ``trips``."""
    if chains_trouble(plan):
        return
    sections: tuple[tuple[str, Mapping[str, SourceSpec | StageSpec]], ...] = (
        ("sources", spec.sources), ("stages", spec.stages),
    )  # fmt: skip
    for section, entries in sections:
        for name, entry in entries.items():
            if entry.restarts.restarts == RESTARTS:  # as ``explain`` writes it
                continue
            if section == "stages" and name in plan.stages and plan.stages[name].run_in == "process":
                text = "the engine chains goes by trips: who dies so often in a row, without any work done, is given up"
                remedy = "write trips: 3, and remove restarts; penstock run --engine local goes by restarts"
            else:
                text = f"in a pipeline of chains {name} has no process of its own that could die"
                remedy = "remove it; penstock run --engine local goes by restarts"
            yield document.problem((section, name, "restarts"), text, remedy, level="warning")
