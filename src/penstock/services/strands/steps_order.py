"""What a process of a stage of steps is told to be, and what it makes of that: its steps, and a reader of items.

It imports user code, which only the process itself does.
"""

import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import msgspec

from penstock.elements.numbered import give_number
from penstock.elements.own_folder import give_folder
from penstock.elements.parameter_types import validate
from penstock.elements.shape import StepShape
from penstock.elements.step import Step
from penstock.elements.user_code import step_names
from penstock.errors import RemoteProtocolError
from penstock.pipeline.plan import OnError, StagePlan
from penstock.pipeline.reference import resolve
from penstock.services.chain import own_parameters
from penstock.services.orders import ElementOrder
from penstock.wire.steps import decode_values
from penstock.wire.values import decode_value

__all__ = [
    "ItemReader",
    "StageGoneError",
    "StepsOrder",
    "are_functions",
    "made_steps",
    "meant_values",
    "names_of",
    "stage_plan",
]


class StageGoneError(Exception):
    """Nobody is there to work for."""


class StepsOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker of a parallel stage is to be."""

    name: str
    stage: str
    elements: tuple[ElementOrder, ...]
    folder: str
    on_error: str
    trips: int
    retry_s: float
    parameters: bytes
    """Start values by name or ``step.name``, as ``encode_value`` writes them."""
    workers: int = 1
    """How many the stage has; one that is alone gets all items, so generators and buffers may be among its steps."""
    has_lanes: bool = False
    modules: tuple[str, ...] = ()
    """Those of the pipeline's code: what items are made of may be defined there."""
    prelude: tuple[str, ...] = ()
    """What is called before any of it is imported, ``module:function``."""


def names_of(order: StepsOrder) -> list[str]:
    """Return the names by which the steps are addressed."""
    return step_names([element.name for element in order.elements])


def made_steps(order: StepsOrder) -> list[Step]:
    """Make the steps, each of what its name finds here.

    Raises
    ------
    PenstockError
        If one cannot be found or made.
    """
    folder = Path(order.folder)
    for reference in order.prelude:
        resolve(reference, folder)()
    parameters = decode_value(order.parameters)
    steps = [
        Step(
            resolve(element.reference, folder), decode_value(element.arguments),
            parameters=own_parameters(parameters, name), stage=order.stage, step=name,
        )
        for element, name in zip(order.elements, names_of(order), strict=True)
    ]  # fmt: skip
    for step in steps:
        give_folder(step.thing, order.folder)
        give_number(step.thing, int(order.name.rpartition("-")[2]))
    return steps


def are_functions(steps: Sequence[Step]) -> bool:
    """Whether all steps are called item by item, so that each item has an outcome of its own."""
    return not any(step.shape.takes_upstream or step.shape is StepShape.BUFFER for step in steps)


def stage_plan(order: StepsOrder) -> StagePlan:
    """Return what a process knows of its stage."""
    return StagePlan(
        name=order.stage, kind="steps", inputs=(), elements=(), on_error=cast(OnError, order.on_error),
        trips=order.trips, retry_s=order.retry_s,
    )  # fmt: skip


def meant_values(steps: Sequence[Step], data: bytes) -> dict[str, Any]:
    """Return other values of the steps' parameters, by address, each as its annotation asks for.

    Raises
    ------
    PenstockError
        If one is refused.
    """
    declared = {parameter.address: parameter for step in steps for parameter in step.parameters}
    values: dict[str, Any] = decode_value(data)
    return {address: validate(declared[address], value) for address, value in values.items() if address in declared}


class ItemReader:
    """Reads items, also of data classes of modules that nobody has loaded here yet."""

    def __init__(self, order: StepsOrder) -> None:
        self._folder = Path(order.folder)
        self._unloaded = list(order.modules)

    def read(self, values: Any, fds: tuple[int, ...], count: int) -> list[Any]:
        """Return items that came inline, or in a memory file.

        Raises
        ------
        RemoteProtocolError
            If they are anything else, or of a data class that is found in no module of the pipeline.
        """
        data = _file(fds[0]) if fds else values
        try:
            return decode_values(data, count)
        except RemoteProtocolError:
            if not self._unloaded:
                raise
        # Of a data class that the steps do not know; it may be that of the source, for instance.
        while self._unloaded:
            with suppress(Exception):  # user code that cannot be loaded has made no item
                _load(self._unloaded.pop(), self._folder)
        return decode_values(data, count)


def _file(fd: int) -> memoryview:
    # A private mapping: what a step writes into an array goes nowhere else.
    with os.fdopen(fd, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def _load(module: str, folder: Path) -> None:
    if module.partition(".")[0] == "penstock":
        import_module(module)
    else:
        resolve(f"{module}:__name__", folder)
