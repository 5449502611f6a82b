"""Items that a chain of steps was fed together: where they come from, and what became of each in the books."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core import Account
from penstock.core.origin import Origins
from penstock.errors import UserCodeError
from penstock.monitor.feedback import AT_WORK
from penstock.services.user_calls import UserCalls

__all__ = ["Fed", "Row"]


class Fed:
    """A range of items, each of which ends in one account.

    What comes of them later, when the range is settled, is in no account of theirs any more: they are done.

    Parameters
    ----------
    numbers
        (n,), of the items; they may repeat.
    calls
        The books of the input by which they came.
    lane
        By which lane results of them leave.
    revision
        Of the parameters.
    told
        Told the number of each item before it is worked on.
    """

    __slots__ = ("_ended", "_is_settled", "_told", "calls", "lane", "numbers", "origins", "revision")

    def __init__(
        self,
        numbers: Sequence[int],
        calls: UserCalls,
        *,
        lane: str = "",
        revision: int = 0,
        origins: Origins = (),
        told: Callable[[int], None] | None = None,
    ) -> None:
        self._told = told
        self.numbers = numbers
        self.calls = calls
        self.lane = lane
        self.revision = revision
        self.origins = origins
        self._ended: list[Account | None] = [None] * len(numbers)
        self._is_settled = False

    def begin(self, row: int) -> None:
        """Learn that an item is about to be worked on, in this thread or task."""
        AT_WORK.set(lambda: (self.calls.stage, self.numbers[row]))
        if self._told is not None:
            self._told(self.numbers[row])

    def take(self, row: int) -> None:
        """Let an item be done because something has taken it that may never say what came of it."""
        if self._ended and self._ended[row] is None:
            self._ended[row] = Account.DONE

    def lose(self, row: int, item: Any, error: BaseException) -> UserCodeError | None:
        """Give an item up because user code raised; return what is to be raised, if the run must not go on."""
        is_counted = not self._is_settled and self._ended[row] in (None, Account.DONE)
        number = self.numbers[row] if row < len(self.numbers) else None
        account = self.calls.give_up(item, number, error, is_counted=is_counted)
        if is_counted:
            self._ended[row] = account
        return self.calls.failure(item, number, error, self.revision) if self.calls.on_error == "fail" else None

    def settle(self, given: Sequence[int], stop: int | None = None) -> NDArray[np.uint8]:
        """Close the books of these items, and return (n,), the account of each.

        Parameters
        ----------
        given
            Rows of which something came out.
        stop
            Items from this row on were not worked on, and stay in flight; n is less by them.
        """
        self._is_settled = True
        ended = self._ended[:stop]
        there = set(given)
        posted = {Account.DONE: 0, Account.FILTERED: 0}
        for row, account in enumerate(ended):
            if account is None:
                ended[row] = Account.DONE if row in there else Account.FILTERED
            if account in (None, Account.DONE):
                posted[ended[row]] += 1  # type: ignore[index]  # it is one of the two now
        for kind, count in posted.items():
            self.calls.entry.post(kind, count)
        return np.array(ended, np.uint8)


Row = tuple[Fed, int, Any]
"""An item or what came of it, and which of what was fed it belongs to."""
