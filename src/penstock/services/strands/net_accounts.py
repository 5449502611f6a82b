"""What a worker that is a net has said of its items: values that go on, and what becomes of the books behind them."""

from typing import Any

from penstock.core import Account
from penstock.services.strands.stage import Stage
from penstock.services.strands.steps_copy import Answer

__all__ = ["NetAccounts"]


class NetAccounts:
    """What was said, until it has gone on: no item has an outcome of its own there.

    Parameters
    ----------
    stage
        Its books.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._given: list[Any] = []
        self._then: dict[Account, int] = {}
        self._held = 0
        """Of what is settled: items whose account has not been said, one at most."""

    def note(self, answer: Answer) -> None:
        """Note what was said."""
        self._given += answer.given
        done, filtered, given_up = answer.accounts
        for account, more in ((Account.DONE, done), (Account.FILTERED, filtered), (self._stage.account, given_up)):
            self._then[account] = self._then.get(account, 0) + more
        self._held += len(answer.outcomes) - sum(answer.accounts)

    def release(self) -> None:
        """Let what is settled be done, as nobody is left who could fail on it."""
        self._then[Account.DONE] = self._then.get(Account.DONE, 0) + self._held
        self._held = 0

    def take_given(self) -> list[Any]:
        """Return what goes on now."""
        given, self._given = self._given, []
        return given

    def post(self) -> None:
        """Put what was said in the books, as all that was given has gone on."""
        for account, count in self._then.items():
            self._stage.post(account, count)
        self._then.clear()
