"""Why some steps cannot stand before a worker: there an item comes in and the same item, changed, goes on."""

from collections.abc import Iterator

from penstock.elements.shape import StepShape
from penstock.errors import Problem
from penstock.pipeline.chains import known_shape
from penstock.pipeline.document import Document
from penstock.pipeline.plan import Plan

__all__ = ["prepare_problems"]


def prepare_problems(document: Document, plan: Plan) -> Iterator[Problem]:
    """Yield each step of ``prepare`` that is not called with one item after the other, as far as that is known."""
    for stage in plan.stages.values():
        for index, element in enumerate(stage.prepare):
            shape = known_shape(element)
            if shape is not None and shape is not StepShape.FUNCTION:
                text = f"{element.name} is {shape.value}; what prepares takes one item and returns it"
                remedy = "write a function of one item, or put it into a stage of steps"
                yield document.problem(("stages", stage.name, "prepare", index), text, remedy)
