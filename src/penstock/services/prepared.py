"""A worker with the steps before it: what prepares its items in its own process, and the worker itself, as one call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core import Event, EventBatch
from penstock.core.event_rows import batch_of_events
from penstock.core.result_range import Values
from penstock.elements.instance import Instance
from penstock.elements.own_folder import give_folder
from penstock.elements.shape import StepShape
from penstock.elements.user_code import Step, Worker, step_names
from penstock.errors import UserCodeError
from penstock.services.chain import chain_of, parameters_before
from penstock.services.user_calls import count_of

__all__ = ["PreparedWorker", "prepared_worker"]

CallBatch = Callable[[EventBatch], Any]


class PreparedWorker:
    """One of the equal copies of a map stage's user code: steps, if there are any, then the worker.

    An item for which a step returns ``None`` never comes to the worker, and has no result.
    """

    def __init__(self, steps: Sequence[Step], worker: Worker) -> None:
        self.worker = worker
        self.instances: tuple[Instance, ...] = (*steps, worker)
        """All its user code, in the order in which an item goes through it."""
        self._steps = tuple(steps)
        self._keeps_events = True

    @property
    def first(self) -> Instance:
        """Which of its instances is given the items."""
        return self.instances[0]

    @property
    def revision(self) -> int:
        """Of the parameters in force."""
        return self.worker.revision

    @property
    def call(self) -> Callable[[Any], Any]:
        """Takes one item; take it anew whenever parameters have changed."""
        return chain_of(self.instances)

    @property
    def call_batch(self) -> CallBatch | None:
        """Takes many events at once; ``None`` if the worker has no such method, or is not given events."""
        batch = self.worker.call_batch
        if batch is None or not self._steps:
            return batch
        return self._call_batch if self._keeps_events else None

    def _call_batch(self, events: EventBatch) -> Values | None:
        """Prepare events one by one, and give the worker those that are left, as one batch.

        Raises
        ------
        MiscountError
            If the worker returned another number of values than it got events.
        TypeError
            If a step made something else of an event; then they go to the worker one by one.
        """
        prepare = chain_of(self._steps)
        rows: list[int] = []
        before: list[Event] = []
        after: list[Event] = []
        for row, event in enumerate(events.events()):
            item = prepare(event)
            if item is None:
                continue
            if not isinstance(item, Event) or item.names != events.names:
                self._keeps_events = False
                raise TypeError(f"a step before {self.worker.name} made a {type(item).__name__} of an event")
            rows.append(row)
            before.append(event)
            after.append(item)
        batch = self.worker.call_batch
        if not rows or batch is None:
            return None
        returned = batch(batch_of_events(events, rows, before, after))
        if returned is None or len(rows) == len(events):
            return returned
        values = count_of(returned, len(rows))
        found: list[Any] = [None] * len(events)
        for row, value in zip(rows, values, strict=True):
            found[row] = value
        return found


def prepared_worker(
    worker: tuple[Callable[..., Any], Mapping[str, Any]],
    steps: Sequence[tuple[str, Callable[..., Any], Mapping[str, Any]]],
    *,
    parameters: Mapping[str, Any],
    stage: str,
    context: dict[str, Any],
    folder: str,
) -> PreparedWorker:
    """Make a worker and the steps before it.

    Parameters
    ----------
    worker
        Target and arguments.
    steps
        Name as written, target and arguments of each.
    parameters
        Start values, of the worker by name, of the steps as ``step.name``.
    folder
        Where relative paths start.

    Raises
    ------
    UserCodeError
        As `Instance`; also if a step is not called with one item after the other, or the worker wants whole results.
    """
    names = step_names([name for name, _, _ in steps])
    made = [
        Step(target, arguments, parameters=parameters_before(parameters, name), stage=stage, step=name)
        for name, (_, target, arguments) in zip(names, steps, strict=True)
    ]
    for step in made:
        if step.shape is not StepShape.FUNCTION:
            text = f"stage {stage}: {step.name} is {step.shape.value}; what prepares takes one item and returns it"
            raise UserCodeError(text, stage=stage)
        give_folder(step.thing, folder)
    target, arguments = worker
    last = Worker(target, arguments, parameters=parameters, stage=stage, context=context)
    give_folder(last.thing, folder)
    if made and last.wants == "result":
        text = f"stage {stage}: {last.name} is annotated Result, but what prepares gives it the value; annotate it so"
        raise UserCodeError(text, stage=stage)
    return PreparedWorker(made, last)
