"""A chain of steps in one thread: an item goes through all of them or ends at one, or they take it and give others."""

from collections.abc import Sequence

from penstock.core import Kind, Ledger
from penstock.core.result_range import ResultRange
from penstock.elements.own_folder import give_folder
from penstock.elements.user_code import Step, step_names
from penstock.pipeline.plan import StagePlan
from penstock.services.chain import chain_of, own_parameters
from penstock.services.fed import Fed, Row
from penstock.services.flow import Flow, kind_of, numbers_of, origins_of
from penstock.services.numbered import Numbered, given_rows, in_rows
from penstock.services.pushed_chain import PushedChain, needs_pushing
from penstock.services.stage_room import StageRoom, items_for

__all__ = ["StepsRoom"]


class StepsRoom(StageRoom):
    """Run a chain of steps for every item that comes in.

    Parameters
    ----------
    first_number
        Of what it gives, if it numbers that by itself.
    folder
        Where relative paths start.
    """

    def __init__(self, plan: StagePlan, ledger: Ledger, first_number: int = 1, folder: str = ".") -> None:
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
        for step in self._steps:
            give_folder(step.thing, folder)
        super().__init__(plan, ledger, self._steps)
        self._numbered = Numbered(plan.name, first_number)
        self._ends: list[Flow] = []
        """Ends that wait until the rest has come out."""
        self._has_ended = False
        self._chain: PushedChain | None = None
        if needs_pushing(self._steps):
            first = next(iter(self.calls.values()))
            self._chain = PushedChain(self._steps, Fed((), first, lane=plan.inputs[0][0]), plan.name)
            self.crew.calling = self._chain.call

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a flow; an end goes on when what is held before it has come out."""
        if self.renumbers and kind_of(flow) is Kind.END:
            self._flag(flow, producer)
            self._ends.append(flow)
        else:
            super().take(flow, producer, now)

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended; with the last one, bring out what user code holds."""
        self._open.discard(producer)
        if self._open or self._has_ended:
            return
        self._has_ended = True
        if self._chain is not None:
            self._give(self._chain, self._chain.end(), now)
        self.outlet.give(self._ends, now)
        self.outlet.close(now)

    @property
    def pollable(self) -> int | None:
        """Tells that a buffer or an async generator has something."""
        return None if self._chain is None else self._chain.fd

    @property
    def renumbers(self) -> bool:
        """Whether there is a generator or a buffer in it."""
        return self._chain is not None and self._chain.renumbers

    @property
    def holds(self) -> bool:
        """Whether a generator or a buffer may hold something."""
        return self.renumbers and not self._has_ended

    @property
    def next_number(self) -> int:
        """Above the numbers of everything so far."""
        return self._numbered.next_number

    def bring(self, now: int) -> None:
        """Give what has come out by itself."""
        if self._chain is not None and self._chain.mishaps.error is None:
            self._give(self._chain, self._chain.late(), now)

    def finish(self) -> None:
        """Close generators, then let steps close what they opened."""
        if self._chain is not None:
            self._chain.close()
        super().finish()

    def _work(self, flow: Flow, producer: str, now: int) -> None:
        lane = self._lane(flow, producer)
        for piece in self._cut(flow):
            numbers, revision = numbers_of(piece), self._steps[0].revision
            items = items_for(self._steps[0], piece)
            if self._chain is not None:
                fed = Fed(
                    numbers.tolist(), self.calls[producer], lane=lane, revision=revision, origins=origins_of(piece)
                )
                self._push(self._chain, fed, [(fed, row, item) for row, item in enumerate(items)], now)
                continue
            values = self.calls[producer].run(chain_of(self._steps), items, numbers, revision=revision)
            result = ResultRange(
                stage=self.name, numbers=numbers, values=values, revision=revision, lane=lane,
                origins=origins_of(piece),
            )  # fmt: skip
            self.outlet.give([result], now)

    def _push(self, chain: PushedChain, fed: Fed, rows: Sequence[Row], now: int) -> None:
        out = chain.feed(rows)
        fed.settle(given_rows(out, fed), chain.mishaps.stop_of(fed))
        self._give(chain, out, now)
        fed.origins = ()  # what is taken is accounted for; a link may hold on to the last of them for long

    def _give(self, chain: PushedChain, rows: Sequence[Row], now: int) -> None:
        """Hand on what has come out, then raise what the run must end with."""
        if rows:
            rows[0][0].calls.check([value for _, _, value in rows])
        if chain.renumbers:
            self.outlet.give(self._numbered.ranges(rows), now)
        else:
            self.outlet.give(in_rows(self.name, rows), now)
        if chain.mishaps.error is not None:
            raise chain.mishaps.error
