"""A reduce stage in one thread: folds results into views, in the order in which they come."""

from typing import Any

from penstock.core import Ledger
from penstock.elements.user_code import Reducer
from penstock.pipeline.plan import StagePlan
from penstock.services.flow import Flow, numbers_of
from penstock.services.stage_room import StageRoom, batch_for, items_for
from penstock.services.user_calls import UserCalls

__all__ = ["ReduceRoom", "fold"]


def fold(reducer: Reducer, calls: UserCalls, flow: Flow) -> None:
    """Fold a range at once if the reducer can, else item by item; raises what ``UserCalls`` does."""
    batch = None if reducer.call_batch is None else batch_for(flow)
    if batch is not None and reducer.call_batch is not None:
        calls.run_fold(reducer.call_batch, batch, numbers_of(flow))
    else:
        calls.run(reducer.call, items_for(reducer, flow), numbers_of(flow))


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
            fold(self.reducer, self.calls[producer], piece)
        # Sinks learn that the views have changed; what they write is up to them.
        self.outlet.give([flow], now)
