"""A parallel stage without threads and processes: workers that say what a test tells them, and what serves them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.core.ledger import Account, Ledger
from penstock.pipeline.plan import StagePlan
from penstock.services.strands.admission import Admission
from penstock.services.strands.care import Care
from penstock.services.strands.discarding import Discarding
from penstock.services.strands.edge import Edge
from penstock.services.strands.ending import Ending
from penstock.services.strands.failures import Failures
from penstock.services.strands.handout import Handout
from penstock.services.strands.hands import Hand
from penstock.services.strands.hearing import Hearing
from penstock.services.strands.net_accounts import NetAccounts
from penstock.services.strands.outflow import Outflow
from penstock.services.strands.pace import Pace
from penstock.services.strands.passed_on import PassedOn
from penstock.services.strands.shares import Shares
from penstock.services.strands.staff import Staff
from penstock.services.strands.stage import Stage
from penstock.services.strands.steps_copy import Answer
from penstock.services.strands.told_values import ToldValues
from penstock.wire.steps import encode_values

__all__ = ["ToldHand", "Workplace"]

PLAN = StagePlan(name="s", kind="steps", inputs=(), elements=(), workers=2, on_error="skip")


class ToldHand(Hand):
    """A worker that has begun the first of what it is given, and says what it is told to say."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.given: list[Any] = []
        """What it has."""
        self.told: list[Mapping[str, Any]] = []
        self.calls: list[str] = []
        self.on_start: Callable[[], None] = lambda: None
        self._answers: list[Answer] = []
        self._answered = self._returned = 0

    @property
    def begun(self) -> int:
        return self._answered + bool(self.given)

    @property
    def has_ended(self) -> bool:
        return "finish" in self.calls or "halt" in self.calls

    def start(self) -> None:
        self.calls.append("start")
        self.on_start()

    def give(self, items: list[Any]) -> None:
        encode_values(items)  # as a process does
        self.given += items

    def say(self, *outcomes: Any, **more: Any) -> None:
        """Answer for its next items."""
        del self.given[: len(outcomes)]
        self._answered += len(outcomes)
        self._answers.append(Answer(list(outcomes), **more))

    def hear(self) -> list[Answer]:
        found, self._answers = self._answers, []
        return found

    def recall(self) -> None:
        self.calls.append("recall")
        self._returned += len(self.given[1:])
        del self.given[1:]

    def take_returned(self) -> int:
        count, self._returned = self._returned, 0
        return count

    def apply(self, values: Mapping[str, Any]) -> None:
        self.told.append(dict(values))

    def finish(self) -> None:
        self.calls.append("finish")

    def halt(self) -> None:
        self.calls.append("halt")


class Workplace:
    """A stage's edges, one by lane, its workers, and everybody who serves them."""

    def __init__(self, *hands: ToldHand, lanes: int = 1, **plan: Any) -> None:
        ledger = Ledger()
        self.books = [Stage(replace(PLAN, **plan), ledger.entry(f"lane {lane}", "s")) for lane in range(lanes)]
        self.stage = self.books[0]
        self.edges: Sequence[Edge] = [Edge(f"lane {lane} → s") for lane in range(lanes)]
        for edge in self.edges:
            edge.join()
        self.made: list[ToldHand] = []
        self.wakes = 0
        self.shares = Shares(len(hands), order=self.stage.plan.order, lanes=lanes)
        self.staff = Staff("s", hands, self.shares, self._make)
        self.ending, self.pace = Ending(), Pace()
        self.values = ToldValues(self._wake)
        failures = Failures(self.stage, self.books, self.ending)
        net = NetAccounts(self.stage)
        self.hearing = Hearing("s", self.shares, self.pace, (), failures, net, self.ending)
        self.care = Care(self.stage, self.staff, self.shares, self.hearing, failures, net, self.ending, self._wake)
        self.admission = Admission(self.edges, self.books, self.shares, self.staff, self.pace, self.ending, ())
        self.handout = Handout(
            self.admission, self.shares, self.staff, self.pace, self.hearing, failures, self.values, self.ending
        )
        self.discarding = Discarding(self.books, self.shares, self.staff, self.hearing)
        self.passed_on = PassedOn(self.shares)
        self.outflow = Outflow(
            self.stage, self.books, self.shares, self.staff, net, self.passed_on, self.ending, ()
        )  # fmt: skip

    def hear(self) -> None:
        """Hear everybody."""
        for desk in self.staff.desks:
            self.hearing.hear(desk)

    def accounts(self, lane: int = 0) -> dict[str, int]:
        """Return where what came by a lane has ended."""
        entry = self.books[lane].entry
        return {account.label: entry[account] for account in Account if entry[account]}

    def _make(self, name: str) -> Hand:
        self.made.append(ToldHand(name))
        return self.made[-1]

    def _wake(self) -> None:
        self.wakes += 1
