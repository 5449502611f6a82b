"""What came of the items of a parallel stage and goes on: done when somebody has taken it, and not before."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import length_hint
from typing import Any, Final

from penstock.core import Account
from penstock.services.strands.discarding import DISCARDED
from penstock.services.strands.ending import Ending, Fatal
from penstock.services.strands.lane_out import LaneOut
from penstock.services.strands.net_accounts import NetAccounts
from penstock.services.strands.passed_on import PassedOn
from penstock.services.strands.process_hand import ProcessHand
from penstock.services.strands.run import StageFailedError
from penstock.services.strands.shares import Shares
from penstock.services.strands.staff import Staff
from penstock.services.strands.stage import Stage
from penstock.services.strands.steps_copy import ACCOUNTED, GIVEN_UP

__all__ = ["Outflow"]

_NOTHING: Final = frozenset({GIVEN_UP, ACCOUNTED, DISCARDED})
"""What stands for what came of an item, and does not go on."""
_SPECIAL: Final = frozenset({type(None), object, Fatal})
"""Types of what does not go on, or may not: without any of them all that came of items does."""


class Outflow:
    """The way out of a stage.

    Parameters
    ----------
    stage
        Its books.
    books
        By lane.
    net
        What a worker that is a net has said.
    passed_on
        Is told how many items are through.
    outs
        By lane, the ways out; none of a stage without lanes.
    """

    def __init__(
        self,
        stage: Stage,
        books: Sequence[Stage],
        shares: Shares,
        staff: Staff,
        net: NetAccounts,
        passed_on: PassedOn,
        ending: Ending,
        outs: Sequence[LaneOut],
    ) -> None:
        self._stage = stage
        self._books = books
        self._shares = shares
        self._staff = staff
        self._net = net
        self._passed_on = passed_on
        self._ending = ending
        self._outs = outs
        self._giving: Iterator[Any] = iter(())
        self._n_giving = 0
        self._n_taken = 0
        """Items of which what came is going on now."""

    def ready(self) -> Iterator[Any]:
        """Return an iterator over what goes on now, of a stage without lanes.

        It raises `StageFailedError` behind the last if the run is to fail there.
        """
        given = self._net.take_given()
        before = self._shares.in_flight
        passed, fatal = self._passed(0)
        self._n_taken = before - self._shares.in_flight
        values = [*given, *passed] if given else passed
        self._giving, self._n_giving = iter(values), len(values)
        if fatal is not None:
            return self._and_fail(self._giving, fatal)
        return self._and_fail(self._giving) if self._ending.trouble else self._giving

    def fill_lanes(self) -> None:
        """Put what goes on into the ways out of the lanes, up to the item on which the run is to fail."""
        for lane, out in enumerate(self._outs):
            if self._ending.fatal is None and self._shares.is_ready(lane):
                values, self._ending.fatal = self._passed(lane)
                out.add(values)

    @property
    def waits_in_lanes(self) -> bool:
        """Whether something waits in the ways out of the lanes."""
        return any(out.left for out in self._outs)

    def fail(self, fatal: Fatal) -> None:
        """Let the run fail.

        Raises
        ------
        StageFailedError
            Always.
        """
        self._books[fatal.lane].post(self._stage.account, 1)
        raise StageFailedError(fatal.text)

    def count_given(self) -> None:
        """Count as done what went on; what did not, because somebody halts, stays under way."""
        left = length_hint(self._giving)
        done, self._n_giving = self._n_giving - left, 0
        self._giving = iter(())
        if not left:
            self._passed_on.add(self._n_taken)
        self._n_taken = 0
        self._passed_on.look()
        hand = self._staff.desks[0].hand
        if not hand.is_net:
            self._stage.post(Account.DONE, done)
        elif not left:
            self._net.post()
            assert isinstance(hand, ProcessHand), "a net is a process"
            hand.let_go_on()
        for out in self._outs:
            out.settle()

    def _passed(self, lane: int) -> tuple[list[Any], Fatal | None]:
        """Return what goes on of a lane, and on what the run is to fail behind it."""
        values: list[Any] = []
        fatal: Fatal | None = None
        books = self._books[lane]
        for outcomes in self._shares.take_ready(lane):
            if self._ending.is_failing:
                outcomes, fatal = _until_fatal(outcomes, lane)
            if fatal is None and _SPECIAL.isdisjoint(map(type, outcomes)):
                values += outcomes
                continue
            passed = [each for each in outcomes if each is not None and not (type(each) is object and each in _NOTHING)]
            if len(passed) < len(outcomes):
                books.post(Account.FILTERED, sum(1 for outcome in outcomes if outcome is None))
                books.post(books.account, sum(1 for outcome in outcomes if outcome is GIVEN_UP))
            values += passed
            if fatal is not None:
                break
        return values, fatal

    def _and_fail(self, values: Iterator[Any], fatal: Fatal | None = None) -> Iterator[Any]:
        yield from values
        self.count_given()
        if fatal is None:
            raise StageFailedError(self._ending.trouble)
        self.fail(fatal)


def _until_fatal(outcomes: list[Any], lane: int) -> tuple[list[Any], Fatal | None]:
    """Return what comes before the item on which the run is to fail, and what is said of it."""
    for at, outcome in enumerate(outcomes):
        if isinstance(outcome, Fatal):
            return outcomes[:at], replace(outcome, lane=lane)
    return outcomes, None
