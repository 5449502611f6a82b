"""A reduce stage in one thread: folds results into views, in the order in which they come."""

from typing import Any

from penstock.core import Kind, Ledger
from penstock.core.result import Result
from penstock.core.result_range import ResultRange
from penstock.elements.user_code import Reducer, bind_reducer
from penstock.pipeline.plan import StagePlan
from penstock.services.crew import Crew
from penstock.services.flow import Flow, Outlet, items_of, kind_of, numbers_of, with_values
from penstock.services.user_calls import UserCalls

__all__ = ["ReduceRoom"]


class ReduceRoom:
    """Fold everything that comes in into the views of the user's reducer."""

    def __init__(self, plan: StagePlan, ledger: Ledger, context: dict[str, Any]) -> None:
        self.name = plan.name
        self.outlet = Outlet(plan.name)
        element = plan.elements[0]
        self.reducer: Reducer = bind_reducer(
            element.target, element.arguments, parameters=plan.parameters, stage=plan.name, context=context
        )
        self.crew = Crew(plan.name, [self.reducer])
        self.version = 0
        """Grows whenever the views may have changed."""
        self._open = {producer for _, producer in plan.inputs}
        self._calls = {
            producer: UserCalls(plan.name, ledger.entry(producer, plan.name), plan.on_error, returns=False)
            for _, producer in plan.inputs
        }

    @property
    def calls(self) -> list[UserCalls]:
        """The books of user code, one an input."""
        return list(self._calls.values())

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a flow and fold every item."""
        self.version += 1
        if kind_of(flow) is not Kind.DATA:
            self.crew.flag(flow)
            self.outlet.give([flow], now)
            return
        flow = with_values(flow)
        numbers = numbers_of(flow)
        if len(numbers):
            calls = self._calls[producer]
            calls.entry.arrive(len(numbers))
            revision = self.crew.apply(int(numbers[0]))
            items = items_of(flow)
            if isinstance(flow, ResultRange) and self.reducer.wants == "result":
                items = (Result(n, value, flow.revision) for n, value in zip(numbers.tolist(), items, strict=True))
            calls.run(self.reducer.call, items, numbers.tolist(), revision=revision)
        self.outlet.give([], now)

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended; the stage ends with its last."""
        self._open.discard(producer)
        if not self._open:
            self.outlet.close(now)
