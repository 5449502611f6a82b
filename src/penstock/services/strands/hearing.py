"""Hearing the workers of a parallel stage: what came of their items, what they give back, and that they have ended."""

import time
from collections.abc import Sequence

from penstock.services.strands.desk import Desk
from penstock.services.strands.ending import Ending, Fatal
from penstock.services.strands.failures import Failures
from penstock.services.strands.net_accounts import NetAccounts
from penstock.services.strands.pace import Pace
from penstock.services.strands.run import StageFailedError
from penstock.services.strands.shares import Shares
from penstock.services.strands.steps_copy import Answer
from penstock.services.strands.tallies import StepTally

__all__ = ["Hearing"]


class Hearing:
    """Notes what workers say, where it belongs.

    Parameters
    ----------
    stage
        Its name, for texts.
    tallies
        Of its steps.
    net
        What one that is a net says of its items.
    """

    def __init__(
        self,
        stage: str,
        shares: Shares,
        pace: Pace,
        tallies: Sequence[StepTally],
        failures: Failures,
        net: NetAccounts,
        ending: Ending,
    ) -> None:
        self._stage = stage
        self._shares = shares
        self._pace = pace
        self._tallies = tallies
        self._failures = failures
        self._net = net
        self._ending = ending

    def hear(self, desk: Desk) -> None:
        """Note all that a worker has said by now.

        Raises
        ------
        StageFailedError
            If it has ended though it had something to do.
        """
        hand = desk.hand
        for answer in hand.hear():
            self._note(desk, answer)
        if returned := hand.take_returned():
            desk.count_returned(returned)
            self._shares.take_back(desk.worker, returned)
        if self._ending.is_finishing:
            return
        if hand.trouble:
            self._ending.trouble, self._ending.is_failing = hand.trouble, True
        elif hand.is_net and hand.has_ended and desk.is_expected:
            self._ending.has_ended_early = True
        elif hand.has_ended and desk.spans:
            raise StageFailedError(f"stage {self._stage}: {hand.name} has ended in the midst of its work")

    def recall(self, desk: Desk) -> None:
        """Have a worker give back what it has not begun, and note what it says at once."""
        desk.is_recalled = True
        desk.hand.recall()
        self.hear(desk)
        desk.look(time.monotonic_ns())  # it may have had nothing more to give back, and nothing else would wake us

    def _note(self, desk: Desk, answer: Answer) -> None:
        count, lane = len(answer.outcomes), self._shares.lane_of(desk.worker)
        self._shares.answer(desk.worker, answer.outcomes)
        desk.count(count)
        desk.barren_deaths = desk.fruitless_deaths = 0
        self._pace.note(count, answer.took_ns)
        for tally, news in zip(self._tallies, answer.tallies, strict=False):
            tally.add(news)
        for failure in answer.failures:
            self._failures.keep(failure, lane)
        if desk.hand.is_net:
            self._net.note(answer)
        if answer.trouble:
            self._shares.answer(desk.worker, [Fatal(answer.trouble)])
            desk.count(1)
            self._ending.is_failing = True
