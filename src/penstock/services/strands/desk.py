"""What a parallel stage knows of one of its workers: what it has, and when it was last seen to get on."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from penstock.services.strands.hands import Hand

__all__ = ["Desk"]


class Desk:
    """What the stage knows of one of its workers."""

    def __init__(self, hand: Hand) -> None:
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
        self.barren_deaths = 0
        """How often it has died without having worked on anything."""

    @property
    def holds_up(self) -> bool:
        """Whether it has items that others could have: beside the one it is at, some not said, or not begun."""
        if self.hand.is_net:
            return False
        return len(self.spans) > 1 or (bool(self.spans) and self.spans[0] > 1)

    def is_open(self, most: int) -> bool:
        """Return whether it can be given a span, if at most so many are to be there."""
        hand = self.hand
        if not hand.is_ready or hand.is_recalling or self.is_recalled:
            return False
        return len(self.spans) < min(most, hand.credits)

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
        if seen != self.seen or not self.spans:
            self.seen, self.since_ns = seen, now_ns
