"""Looking after the workers of a parallel stage: who begins, who hangs, who has died, and who comes in its place."""

import time
from collections.abc import Callable, Iterator

from penstock.core import NS_PER_S
from penstock.errors import PenstockError
from penstock.services.strands.desk import Desk, backoff_ns
from penstock.services.strands.ending import Ending
from penstock.services.strands.failures import Failures
from penstock.services.strands.hearing import Hearing
from penstock.services.strands.net_accounts import NetAccounts
from penstock.services.strands.process_hand import ProcessHand
from penstock.services.strands.run import StageFailedError
from penstock.services.strands.shares import Shares, Suspect
from penstock.services.strands.staff import Staff
from penstock.services.strands.stage import Stage, shortened
from penstock.services.user_calls import Failure

__all__ = ["Care"]


class Care:
    """Keeps as many workers at work as there are to be; what one that died had is given to others.

    Parameters
    ----------
    stage
        Says for how long a worker may hang, and on how many deaths an item or a worker is given up.
    hearing
        Hears workers that are asked to give something back.
    net
        What one that is a net has said of its items.
    wake
        Called by workers that have something to say, in whatever thread, and when a worker has gone that others wait
        for.
    """

    def __init__(
        self,
        stage: Stage,
        staff: Staff,
        shares: Shares,
        hearing: Hearing,
        failures: Failures,
        net: NetAccounts,
        ending: Ending,
        wake: Callable[[], None],
    ) -> None:
        self._stage = stage
        self._staff = staff
        self._shares = shares
        self._hearing = hearing
        self._failures = failures
        self._net = net
        self._ending = ending
        self._wake = wake

    def start(self) -> None:
        """Let those begin that have not.

        Raises
        ------
        StageFailedError
            If one cannot.
        """
        for desk in self._staff.desks:
            if not desk.has_begun:
                self._begin(desk)

    def finish(self) -> None:
        """Ask everybody to end."""
        for desk in self._staff.desks:
            desk.since_ns = time.monotonic_ns()
            desk.successor = None
            if not desk.hand.has_ended and not desk.is_asked_to_end:
                desk.is_asked_to_end = True
                desk.hand.finish()

    def look_after(self, desk: Desk, now_ns: int) -> None:
        """See to it that a worker gets on, ends if it is to leave, and is replaced if it has died.

        Raises
        ------
        StageFailedError
            If nobody is left, or another cannot begin.
        """
        hand = desk.hand
        if desk.is_leaving and not self._ending.is_finishing and self._has_left(desk):
            return
        if desk.again_ns is not None and now_ns >= desk.again_ns:
            desk.again_ns = None
            self._guarded(hand.start)
        if isinstance(hand, ProcessHand):
            if hand.is_dead:
                self._replace(desk, hand)
                return
            is_ending = self._ending.is_finishing or desk.is_asked_to_end
            is_busy = desk.spans or (is_ending and not hand.is_net)  # its rest may take as long as it likes
            if is_busy and not hand.has_ended and now_ns - desk.since_ns > self._stage.plan.deadline_s * NS_PER_S:
                hand.kill()  # its death is heard
        recall_ns = desk.recall_ns
        if recall_ns is not None and now_ns > recall_ns:
            self._hearing.recall(desk)

    def due_ns(self, desk: Desk) -> Iterator[float]:
        """Yield when something is to be done about a worker that says nothing."""
        if desk.again_ns is not None:
            yield desk.again_ns
        recall_ns = desk.recall_ns
        if recall_ns is not None:
            yield recall_ns
        hand = desk.hand
        is_busy = desk.spans or (desk.is_asked_to_end and not hand.has_ended and not hand.is_net)
        if is_busy and isinstance(hand, ProcessHand):
            yield desk.since_ns + self._stage.plan.deadline_s * NS_PER_S

    def _begin(self, desk: Desk) -> None:
        desk.has_begun = True
        desk.hand.wake = self._wake
        self._guarded(desk.hand.start)

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except PenstockError as error:
            raise StageFailedError(f"stage {self._stage.name}: {error}") from error

    def _has_left(self, desk: Desk) -> bool:
        """Let somebody end who is to go; return whether it has, and its successor, if there is one, has begun."""
        hand = desk.hand
        if desk.holds_up and not desk.is_recalled:
            self._hearing.recall(desk)
        if desk.spans or hand.is_recalling:
            return False
        if not desk.is_asked_to_end and not hand.has_ended:
            desk.is_asked_to_end = True
            desk.since_ns = time.monotonic_ns()
            hand.finish()
        if not hand.has_ended:
            return False
        if hand.trouble:
            raise StageFailedError(hand.trouble)
        if hand.is_net:
            self._net.release()
        if desk.successor is None:
            self._staff.dismiss(desk)
        else:
            desk.take_over()
            self._begin(desk)
        return True

    # Those that have died

    def _replace(self, desk: Desk, hand: ProcessHand) -> None:
        """Put another process in the place of one that has died, and give what it had to whoever is free."""
        begun, waited_s = hand.begun, (time.monotonic_ns() - desk.since_ns) / NS_PER_S
        # A worker that only waits for something to do may be killed as often as somebody likes.
        is_barren = not hand.is_made or (bool(desk.spans) and begun == desk.answered) or (hand.is_net and not begun)
        desk.barren_deaths = desk.barren_deaths + 1 if is_barren else 0
        death = hand.death()
        cause = str(death)
        is_hung = waited_s > self._stage.plan.deadline_s
        if is_hung:
            cause += f", because it had not got on for {self._stage.plan.deadline_s:g} s"
        if hand.is_net:
            self._let_go_of_kept(cause, death.text, desk)
        if self._ending.is_finishing:
            if is_hung:
                raise StageFailedError(f"stage {self._stage.name}: {cause}")
            return  # it had done everything
        suspect = self._shares.lose(desk.worker, begun - desk.answered - 1 if begun > desk.answered else None)
        desk.fruitless_deaths = 0 if suspect is not None or desk.answered else desk.fruitless_deaths + 1
        desk.spans.clear()
        desk.answered, desk.known = 0, {}
        if suspect is not None:
            self._judge(suspect, cause, death.text)
        if desk.is_leaving:
            self._wake()  # it is gone, which was wanted: somebody may be to come in its place
            return
        if desk.barren_deaths >= self._stage.plan.trips:
            self._give_up_worker(desk, cause)
        elif wait_ns := backoff_ns(desk.fruitless_deaths):
            desk.again_ns = time.monotonic_ns() + wait_ns
        else:
            self._guarded(hand.start)

    def _give_up_worker(self, desk: Desk, cause: str) -> None:
        """Begin no other in the place of one that dies again and again; the others go on, if there are any."""
        desk.fault = f"died {desk.barren_deaths} times without having worked on anything; the last: {cause}"
        self._stage.entry.remark("fault", f"{desk.hand.name} {desk.fault}")
        if not any(each.is_there for each in self._staff.desks):
            raise StageFailedError(f"stage {self._stage.name}: {cause}")

    def _let_go_of_kept(self, cause: str, traceback: str, desk: Desk) -> None:
        """Note that what generators and buffers had kept is lost; the items that it was made of are done."""
        self._net.release()
        if desk.answered or self._ending.is_finishing:
            cause = f"{cause}; what its generators and buffers had kept is lost"
            self._failures.keep(Failure(stage="", event=None, cause=cause, traceback=traceback), 0)
        if self._ending.is_finishing and self._stage.plan.on_error == "fail":
            self._ending.trouble = f"stage {self._stage.name}: {cause}"

    def _judge(self, suspect: Suspect, cause: str, traceback: str) -> None:
        """Let an item that somebody died on be given again, unless too many have."""
        if suspect.deaths < self._stage.plan.trips:
            self._shares.again(suspect)
            return
        cause = f"{suspect.deaths} workers died on it; the last: {cause}"
        failure = Failure(stage="", event=None, cause=cause, traceback=traceback, item=shortened(suspect.item))
        self._failures.keep(failure, suspect.lane)
        self._shares.give_up(suspect, self._failures.give_up(failure, suspect.number))
