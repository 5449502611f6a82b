"""Making the workers of a parallel stage: copies of its steps in threads or tasks, or orders for processes."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from penstock.elements.numbered import give_number
from penstock.elements.own_folder import give_folder
from penstock.elements.signature import Signature
from penstock.elements.step import Step
from penstock.elements.user_code import step_names
from penstock.errors import CheckError
from penstock.pipeline.chains import has_lanes
from penstock.pipeline.plan import Plan, StagePlan
from penstock.pipeline.reference import reference_of
from penstock.services.chain import own_parameters
from penstock.services.element_orders import element_order, encoded, plain
from penstock.services.strands.edge import Edge
from penstock.services.strands.hands import Hand, TaskHand, ThreadHand
from penstock.services.strands.laned_edge import LanedEdge
from penstock.services.strands.nursery import Nursery
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.process_hand import ProcessHand
from penstock.services.strands.stage import Stage
from penstock.services.strands.steps_copy import StepsCopy
from penstock.services.strands.steps_order import StepsOrder
from penstock.services.strands.tallies import StepTally, TeamStep

__all__ = ["parallel_feed"]


def parallel_feed(
    plan: Plan, stage: Stage, edge: Edge | LanedEdge, nursery: Nursery, books: Sequence[Stage] = ()
) -> ParallelFeed:
    """Make the workers of a stage, none of them begun.

    Parameters
    ----------
    books
        By lane.

    Raises
    ------
    UserCodeError
        If a step cannot be made, or is none of single items.
    CheckError
        If another process cannot have it.
    """
    make: Callable[[str], Hand] = partial(_here, stage.plan, plan.folder)
    if stage.plan.run_in == "process":
        make = partial(_process, stage.plan, _order(plan, stage.plan), nursery)
    hands = [make(f"{stage.name}-{worker}") for worker in range(stage.plan.workers)]
    return ParallelFeed(stage, edge, hands, _tallies(stage), books, make)


def _here(stage: StagePlan, folder: str, worker: str) -> Hand:
    names = step_names([element.name for element in stage.elements])
    steps = [
        Step(
            element.target, element.arguments, parameters=own_parameters(stage.parameters, name), stage=stage.name,
            step=name,
        )
        for element, name in zip(stage.elements, names, strict=True)
    ]  # fmt: skip
    for step in steps:
        give_folder(step.thing, folder)
        give_number(step.thing, int(worker.rpartition("-")[2]))
    copy = StepsCopy(stage, steps, names)
    return (TaskHand if copy.is_async else ThreadHand)(worker, copy)


def _process(stage: StagePlan, order: StepsOrder, nursery: Nursery, worker: str) -> Hand:
    number = int(worker.rpartition("-")[2])
    cpus = stage.cpus[number % len(stage.cpus)] if stage.cpus else ()
    return ProcessHand(replace(order, name=worker), nursery, cpus=cpus)


def _order(plan: Plan, stage: StagePlan) -> StepsOrder:
    """Return what each worker of a stage is to be, but for its name."""
    return StepsOrder(
        name="",
        stage=stage.name,
        elements=tuple(element_order(element, plan.folder) for element in stage.elements),
        folder=plan.folder,
        on_error=stage.on_error,
        trips=stage.trips,
        retry_s=stage.retry_s,
        parameters=encoded(plain(stage.parameters), f"stages.{stage.name}.parameters"),
        has_lanes=has_lanes(stage),
        workers=stage.most_workers,
        modules=_modules(plan),
        prelude=plan.prelude,
    )


def _tallies(stage: Stage) -> list[StepTally]:
    elements = stage.plan.elements
    found = []
    for element, name in zip(elements, step_names([element.name for element in elements]), strict=True):
        declared = Signature.of(element.target).addressed(stage.name, name)
        values: dict[str, Any] = {**element.arguments, **own_parameters(stage.plan.parameters, name)}
        found.append(StepTally(TeamStep(declared, values), stage, name))
    return found


def _modules(plan: Plan) -> tuple[str, ...]:
    """Return the modules of all code that makes items, as far as others can import them."""
    found: dict[str, None] = {}
    elements = [source.element for source in plan.sources.values()]
    elements += [element for stage in plan.stages.values() for element in stage.elements]
    for element in elements:
        try:
            module = reference_of(element, Path(plan.folder)).partition(":")[0]
        except CheckError:
            continue
        if module.partition(".")[0] != "penstock":
            found[module] = None
    return tuple(found)
