"""What a parallel stage knows of one of its workers: what it has, when it was last seen to get on, and how it dies."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from penstock.core.states import State
from penstock.services.strands.hands import Hand
from penstock.services.strands.pace import RECALL_NS
from penstock.services.strands.process_hand import ProcessHand

__all__ = ["Desk", "backoff_ns"]

BACKOFF_NS: Final = 100_000_000
"""Before a worker that has died twice in a row without a result is begun anew; then twice as long each time."""
LONGEST_BACKOFF_NS: Final = 5_000_000_000


def backoff_ns(deaths: int) -> int:
    """Return for how long a worker is not begun anew that has died so often in a row without a result.

    >>> [backoff_ns(deaths) // 1_000_000 for deaths in (0, 1, 2, 3, 4, 50)]
    [0, 0, 100, 200, 400, 5000]
    """
    return min(BACKOFF_NS << min(deaths - 2, 32), LONGEST_BACKOFF_NS) if deaths > 1 else 0


class Desk:
    """What the stage knows of one of its workers.

    Parameters
    ----------
    worker
        Its number, which no other has; not that of its name.
    hand
        The worker.
    """

    def __init__(self, worker: int, hand: Hand) -> None:
        self.worker = worker
        self.hand = hand
        self.spans: deque[int] = deque()
        """How many items of each span it has been given are still to come."""
        self.answered = 0
        """Since it began."""
        self.seen = (0, 0, 0)
        self.since_ns = 0
        """When it was last seen to get on."""
        self.is_recalled = False
        self.known: Mapping[str, Any] = {}
        self.has_begun = False
        self.barren_deaths = 0
        """How often in a row it has died without having worked on anything."""
        self.fruitless_deaths = 0
        """How often in a row it has died without having answered for anything."""
        self.again_ns: int | None = None
        """When another is begun in its place; ``None`` if nobody waits for that."""
        self.fault = ""
        """Why no other is begun in its place."""
        self.is_leaving = False
        """Whether it is given nothing more, and ends when it has nothing left."""
        self.is_asked_to_end = False
        self.successor: Hand | None = None
        """Who comes in its place when it has ended; ``None``: nobody."""

    def take_over(self) -> None:
        """Let the successor be the worker."""
        assert self.successor is not None, "there is one"
        if isinstance(self.hand, ProcessHand) and isinstance(self.successor, ProcessHand):
            self.successor.deaths = self.hand.deaths
        self.hand, self.successor = self.successor, None
        self.answered, self.seen, self.known = 0, (0, 0, 0), {}
        self.barren_deaths = self.fruitless_deaths = 0
        self.again_ns, self.fault = None, ""
        self.has_begun = self.is_leaving = self.is_asked_to_end = self.is_recalled = False

    @property
    def is_there(self) -> bool:
        """Whether it is one of those who do the work, or will be again."""
        return not self.fault and (not self.is_leaving or self.successor is not None)

    @property
    def is_expected(self) -> bool:
        """Whether it is to be there now: nobody has asked it to end, and it has not just died."""
        return not (self.is_asked_to_end or self.fault) and self.again_ns is None

    @property
    def holds_up(self) -> bool:
        """Whether it has items that others could have: beside the one it is at, some not said, or not begun."""
        if self.hand.is_net:
            return False
        return len(self.spans) > 1 or (bool(self.spans) and self.spans[0] > 1)

    @property
    def recall_ns(self) -> int | None:
        """When it is to be asked for what it has not begun, as it does not get on; ``None``: not at all."""
        return self.since_ns + RECALL_NS if self.holds_up and not self.is_recalled else None

    def is_open(self, most: int) -> bool:
        """Return whether it can be given a span, if at most so many are to be there."""
        hand = self.hand
        if len(self.spans) >= min(most, hand.credits) or not hand.is_ready:
            return False
        return not (hand.is_recalling or self.is_recalled or self.is_leaving) and self.is_expected

    def count(self, answered: int) -> None:
        """Note that so many items have been answered."""
        self.answered += answered
        while answered:
            here = min(answered, self.spans[0])
            self.spans[0] -= here
            answered -= here
            if not self.spans[0]:
                self.spans.popleft()

    def count_returned(self, returned: int) -> None:
        """Note that it has given so many items back, the last ones."""
        while returned:
            here = min(returned, self.spans[-1])
            self.spans[-1] -= here
            returned -= here
            if not self.spans[-1]:
                self.spans.pop()

    def look(self, now_ns: int) -> None:
        """Note whether it got on."""
        seen = (self.hand.begun, self.answered, self.hand.heard)
        if seen[0] != self.seen[0] or not self.spans:
            self.is_recalled = False
        if seen != self.seen or not (self.spans or self.is_asked_to_end):
            self.seen, self.since_ns = seen, now_ns

    def state(self) -> tuple[State, str]:
        """Return what its worker is at, and why; from any thread, for whoever looks."""
        hand = self.hand
        if self.fault:
            return State.FAULT, self.fault
        if self.again_ns is not None:
            return State.INITIALISED, "it died again and again, and is begun anew a little later"
        if not self.has_begun:
            return State.INITIALISED, ""
        is_ending = self.is_leaving or self.is_asked_to_end
        if isinstance(hand, ProcessHand):
            if hand.has_ended:
                return (State.STOPPED, "") if is_ending else (State.INITIALISED, "another takes its place")
            if not hand.is_alive:
                return (State.FINISHING, "") if is_ending else (State.FAULT, "its process has died")
            if not hand.is_made:
                return State.INITIALISED, ""
        elif hand.has_ended:
            return State.STOPPED, ""
        if is_ending:
            return State.FINISHING, ""
        return (State.PROCESSING if self.spans else State.WAITING), ""
