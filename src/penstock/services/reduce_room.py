"""A reduce stage in one thread: folds results into views, in the order in which they come."""

from typing import Any

from penstock.core import Ledger
from penstock.elements.user_code import Reducer
from penstock.pipeline.plan import StagePlan
from penstock.services.flow import Flow, numbers_of
from penstock.services.stage_room import StageRoom, items_for

__all__ = ["ReduceRoom"]


class ReduceRoom(StageRoom):
    """Fold everything that comes in into the views of the user's reducer."""

    def __init__(self, plan: StagePlan, ledger: Ledger, context: dict[str, Any]) -> None:
        element = plan.elements[0]
        self.reducer = Reducer(
            element.target, element.arguments, parameters=plan.parameters, stage=plan.name, context=context
        )
        super().__init__(plan, ledger, [self.reducer], returns=False)
        self.version = 0
        """Grows whenever the views may have changed."""

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a flow and fold every item."""
        self.version += 1
        super().take(flow, producer, now)

    def _work(self, flow: Flow, producer: str, now: int) -> None:
        for piece in self._cut(flow):
            items = items_for(self.reducer, piece)
            self.calls[producer].run(self.reducer.call, items, numbers_of(piece).tolist())
        # Sinks learn that the views have changed; what they write is up to them.
        self.outlet.give([flow], now)
