"""Giving up, on request, what no worker of a parallel stage has begun."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from penstock.core import Account
from penstock.services.strands.hearing import Hearing
from penstock.services.strands.shares import Shares
from penstock.services.strands.staff import Staff
from penstock.services.strands.stage import Stage

__all__ = ["DISCARDED", "Discarding"]

DISCARDED: Final = object()
"""What came of an item that was given up on request."""


class Discarding:
    """What was asked for, and is done in the strand's thread, turn by turn; true while something is.

    Parameters
    ----------
    books
        By lane.
    hearing
        Hears workers that are asked to give something back.
    """

    def __init__(self, books: Sequence[Stage], shares: Shares, staff: Staff, hearing: Hearing) -> None:
        self._books = books
        self._shares = shares
        self._staff = staff
        self._hearing = hearing
        self._asked: deque[Callable[[int], None]] = deque()
        self._count: int | None = None
        """How many items by now; ``None`` if nothing has been given up yet."""

    def __bool__(self) -> bool:
        return bool(self._asked)

    def ask(self, then: Callable[[int], None]) -> None:
        """Ask for it, from one other thread; ``then`` is told how much it was, in the strand's thread."""
        self._asked.append(then)

    def go_on(self) -> None:
        """Give up what no worker has, and what those give back that have not begun it."""
        if self._count is None:
            self._count = 0
            for desk in self._staff.desks:
                if desk.holds_up and not desk.hand.is_recalling:
                    self._hearing.recall(desk)
        for books, count in zip(self._books, self._shares.discard(DISCARDED), strict=True):
            self._count += count
            books.post(Account.ABORTED, count)
        if not any(desk.hand.is_recalling for desk in self._staff.desks):  # they have said what they had not begun
            self.end()

    def end(self) -> None:
        """Tell how much it was, whatever is still to come."""
        count, self._count = self._count or 0, None
        while self._asked:
            self._asked.popleft()(count)
            count = 0
