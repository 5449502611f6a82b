"""A chain of steps in one thread: an item goes through all of them or ends at one."""

from typing import Any

from penstock.core import Kind, Ledger
from penstock.core.result_range import ResultRange
from penstock.elements.user_code import Step, bind_step, step_names
from penstock.pipeline.plan import StagePlan
from penstock.services.crew import Crew
from penstock.services.flow import Flow, Outlet, items_of, kind_of, numbers_of, with_values
from penstock.services.user_calls import UserCalls

__all__ = ["StepsRoom"]


class StepsRoom:
    """Run a chain of steps for every item that comes in."""

    def __init__(self, plan: StagePlan, ledger: Ledger) -> None:
        self.name = plan.name
        self.outlet = Outlet(plan.name)
        names = step_names([element.name for element in plan.elements])
        self.steps: list[Step] = [
            bind_step(
                element.target,
                element.arguments,
                parameters=_own(plan.parameters, name),
                stage=plan.name,
                step=name,
            )
            for element, name in zip(plan.elements, names, strict=True)
        ]
        self.crew = Crew(plan.name, self.steps)
        self._open = {producer for _, producer in plan.inputs}
        self._calls = {
            producer: UserCalls(plan.name, ledger.entry(producer, plan.name), plan.on_error)
            for _, producer in plan.inputs
        }

    @property
    def calls(self) -> list[UserCalls]:
        """The books of user code, one an input."""
        return list(self._calls.values())

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a flow and pass every item through the chain."""
        if kind_of(flow) is not Kind.DATA:
            self.crew.flag(flow)
            self.outlet.give([flow], now)
            return
        flow = with_values(flow)
        numbers = numbers_of(flow)
        if not len(numbers):
            return
        calls = self._calls[producer]
        calls.entry.arrive(len(numbers))
        revision = self.crew.apply(int(numbers[0]))
        results = calls.run(self._chain(), items_of(flow), numbers.tolist(), revision=revision)
        self.outlet.give([ResultRange(stage=self.name, numbers=numbers, values=results, revision=revision)], now)

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended; the stage ends with its last."""
        self._open.discard(producer)
        if not self._open:
            self.outlet.close(now)

    def _chain(self) -> Any:
        calls = [step.call for step in self.steps]
        if len(calls) == 1:
            return calls[0]

        def chain(item: Any) -> Any:
            for call in calls:
                item = call(item)
                if item is None:
                    return None
            return item

        return chain


def _own(values: Any, step: str) -> dict[str, Any]:
    """Return the start values that are for one step: those written ``step.name`` or just ``name``."""
    return {name.rpartition(".")[2]: value for name, value in values.items() if name.rpartition(".")[0] in ("", step)}
