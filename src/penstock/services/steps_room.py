"""A chain of steps in one thread: an item goes through all of them or ends at one."""

from penstock.core import Ledger
from penstock.core.result_range import ResultRange
from penstock.elements.user_code import Step, step_names
from penstock.pipeline.plan import StagePlan
from penstock.services.chain import chain_of, own_parameters
from penstock.services.flow import Flow, numbers_of, origins_of
from penstock.services.stage_room import StageRoom, items_for

__all__ = ["StepsRoom"]


class StepsRoom(StageRoom):
    """Run a chain of steps for every item that comes in."""

    def __init__(self, plan: StagePlan, ledger: Ledger) -> None:
        names = step_names([element.name for element in plan.elements])
        self._steps = [
            Step(
                element.target,
                element.arguments,
                parameters=own_parameters(plan.parameters, name),
                stage=plan.name,
                step=name,
            )
            for element, name in zip(plan.elements, names, strict=True)
        ]
        super().__init__(plan, ledger, self._steps)

    def _work(self, flow: Flow, producer: str, now: int) -> None:
        for piece in self._cut(flow):
            numbers, revision = numbers_of(piece), self._steps[0].revision
            items = items_for(self._steps[0], piece)
            values = self.calls[producer].run(chain_of(self._steps), items, numbers, revision=revision)
            lane = self._lane(flow, producer)
            result = ResultRange(
                stage=self.name, numbers=numbers, values=values, revision=revision, lane=lane,
                origins=origins_of(piece),
            )  # fmt: skip
            self.outlet.give([result], now)
