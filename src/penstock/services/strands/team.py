"""Making the workers of a parallel stage: copies of its steps in threads or tasks, or orders for processes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    hands = _processes(plan, stage.plan, nursery) if stage.plan.run_in == "process" else _here(stage.plan, plan.folder)
    return ParallelFeed(stage, edge, hands, _tallies(stage), books)


def _here(stage: StagePlan, folder: str) -> list[Hand]:
    names = step_names([element.name for element in stage.elements])
    hands: list[Hand] = []
    for worker in range(stage.workers):
        steps = [
            Step(
                element.target, element.arguments, parameters=own_parameters(stage.parameters, name), stage=stage.name,
                step=name,
            )
            for element, name in zip(stage.elements, names, strict=True)
        ]  # fmt: skip
        for step in steps:
            give_folder(step.thing, folder)
        copy = StepsCopy(stage, steps, names)
        hands.append((TaskHand if copy.is_async else ThreadHand)(f"{stage.name}-{worker}", copy))
    return hands


def _processes(plan: Plan, stage: StagePlan, nursery: Nursery) -> list[Hand]:
    elements = tuple(element_order(element, plan.folder) for element in stage.elements)
    modules = _modules(plan)
    hands: list[Hand] = []
    for worker in range(stage.workers):
        order = StepsOrder(
            name=f"{stage.name}-{worker}",
            stage=stage.name,
            elements=elements,
            folder=plan.folder,
            on_error=stage.on_error,
            trips=stage.trips,
            retry_s=stage.retry_s,
            parameters=encoded(plain(stage.parameters), f"stages.{stage.name}.parameters"),
            has_lanes=has_lanes(stage),
            workers=stage.workers,
            modules=modules,
            prelude=plan.prelude,
        )
        cpus = stage.cpus[worker % len(stage.cpus)] if stage.cpus else ()
        hands.append(ProcessHand(order, nursery, cpus=cpus))
    return hands


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
