"""Giving the items of a parallel stage to its workers: to whom, how many at once, and whose go first.

Of several lanes the most urgent that has something goes first: a worker gives back what it has not begun of others, so
that an urgent item waits for one item at most.
"""

import time
from collections.abc import Sequence
from typing import Any

from penstock.errors import ResultTypeError
from penstock.services.strands.admission import Admission
from penstock.services.strands.desk import Desk
from penstock.services.strands.ending import Ending
from penstock.services.strands.failures import Failures
from penstock.services.strands.hearing import Hearing
from penstock.services.strands.pace import Pace
from penstock.services.strands.shares import Shares
from penstock.services.strands.staff import Staff
from penstock.services.strands.stage import shortened
from penstock.services.strands.told_values import ToldValues
from penstock.services.user_calls import Failure
from penstock.wire.steps import cannot_travel

__all__ = ["Handout"]


class Handout:
    """Gives out what can be given.

    Parameters
    ----------
    admission
        Takes in what is to be given.
    hearing
        Hears workers that are asked to give something back.
    values
        What a worker is told before it is given anything.
    """

    def __init__(
        self,
        admission: Admission,
        shares: Shares,
        staff: Staff,
        pace: Pace,
        hearing: Hearing,
        failures: Failures,
        values: ToldValues,
        ending: Ending,
    ) -> None:
        self._admission = admission
        self._edges = admission.edges
        self._shares = shares
        self._staff = staff
        self._pace = pace
        self._hearing = hearing
        self._failures = failures
        self._values = values
        self._ending = ending

    def give_out(self, now_ns: int) -> None:
        """Give to whoever can be given something."""
        self._pace.look(max((hand.mean_bytes for hand in self._staff.processes), default=0.0))
        present = self._staff.present
        while (desk := self.who_is_free()) is not None:
            most = self._next_span(present, now_ns)
            if self._ending.fails_at is not None and desk.hand.is_net:  # what it would give goes on at once
                most = min(most, self._ending.fails_at - self._shares.first_waiting())
            if most <= 0:
                return
            self._give(desk, most)
        if len(self._edges) > 1 and self._make_way(now_ns):
            self.give_out(now_ns)

    def who_is_free(self) -> Desk | None:
        """Return who is to be given something, if anybody is."""
        most = self._pace.credits
        if not self._is_worth_a_turn():
            most = min(most, 1)
        free = [desk for desk in self._staff.desks if desk.is_open(most)]
        if len(free) <= 1:
            return free[0] if free else None
        # Of those who are busy, the one that has been at its item longest: what is given may be urgent.
        return min(free, key=lambda desk: (len(desk.spans), desk.since_ns))

    def in_the_way(self, lane: int) -> list[Desk]:
        """Return who is to be asked for what is less urgent than what waits in a lane: the longest at work first."""
        most = self._admission.could_give(lane) - sum(desk.hand.is_recalling for desk in self._staff.desks)
        if most <= 0:
            return []
        found = [
            desk
            for desk in self._staff.desks
            if not desk.hand.is_recalling and desk.hand.is_ready and self._shares.keeps_back(desk.worker, lane)
        ]
        return sorted(found, key=lambda desk: desk.since_ns)[:most]

    def _is_worth_a_turn(self) -> bool:
        # Urgent things always are.
        return len(self._edges) > 1 or self._pace.is_worth_a_turn(self._admission.waiting_in(0))

    def _next_span(self, present: int, now_ns: int) -> int:
        """Return how many items are to be given next, of the most urgent lane that has any; 0 if none has."""
        for lane in range(len(self._edges)):
            waiting = self._shares.waiting_by[lane]
            share = -(-self._admission.waiting_in(lane) // present)
            most = max(1, min(self._pace.span, share))
            if waiting < most:
                self._admission.admit(lane, most - waiting, present, now_ns)
            if self._shares.waiting_by[lane]:
                return most
        return 0

    def _make_way(self, now_ns: int) -> bool:
        """Take back what workers have not begun of lower lanes than what waits; return whether one can be given."""
        lane = next((lane for lane in range(len(self._edges) - 1) if self._admission.could_give(lane)), None)
        if lane is None:
            return False
        for desk in self.in_the_way(lane):
            desk.hand.recall()
            self._hearing.hear(desk)
            desk.look(now_ns)
        return self.who_is_free() is not None

    def _give(self, desk: Desk, most: int) -> None:
        self._values.tell(desk)
        items = self._shares.give(desk.worker, most)
        try:
            if not desk.spans:
                desk.since_ns = time.monotonic_ns()
            desk.hand.give(items)
            desk.spans.append(len(items))
        except ResultTypeError:
            self._give_singly(desk, items)

    def _give_singly(self, desk: Desk, items: Sequence[Any]) -> None:
        """Give up those that cannot travel, until one can; the others wait again."""
        self._shares.take_back(desk.worker, len(items))
        for _ in items:
            (item,) = found = self._shares.give(desk.worker, 1)
            why = cannot_travel(item)
            if not why:
                desk.hand.give(found)
                desk.spans.append(1)
                return
            failure = Failure(stage="", event=None, cause=f"an item {why}", traceback="", item=shortened(item))
            self._failures.keep(failure, self._shares.lane_of(desk.worker, -1))
            self._shares.answer_last(desk.worker, self._failures.give_up(failure))
