"""One stage in the chains engine: its books, and what becomes of an item for which its code raises."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.core import Account
from penstock.core.ledger import Entry
from penstock.pipeline.plan import StagePlan
from penstock.services.user_calls import KEPT_DEAD_LETTERS, KEPT_FAILURES, Failure
from penstock.services.users_traceback import users_traceback

__all__ = ["Stage", "failure_of", "shortened"]

LONGEST: Final = 200
"""Characters of an item in a report."""


@dataclass(eq=False)
class Stage:
    """A stage of steps.

    Its strands keep its books together. An item may end in one before another, which only counts once in a while, has
    said that it came; such posts wait.

    Parameters
    ----------
    plan
        Says what is to be done with an item on which a step fails.
    entry
        Its books as a consumer; everything that came to it ends there.
    """

    plan: StagePlan
    entry: Entry
    failures: deque[Failure] = field(default_factory=lambda: deque(maxlen=KEPT_FAILURES))
    dead_letters: deque[Failure] = field(default_factory=lambda: deque(maxlen=KEPT_DEAD_LETTERS))
    books: threading.Lock = field(default_factory=threading.Lock)
    """Held while they are kept."""
    _pending: dict[Account, int] = field(default_factory=dict)
    _held: int = 0

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.plan.name

    @property
    def sets_aside(self) -> bool:
        """Whether an item that is given up is a dead letter."""
        return self.plan.on_error in ("retry", "dead_letter")

    @property
    def account(self) -> Account:
        """Where an item ends that is given up."""
        return Account.DEAD_LETTERED if self.sets_aside else Account.FAILED

    @property
    def tries(self) -> int:
        """How often a step is called with an item at most."""
        return self.plan.trips if self.plan.on_error == "retry" else 1

    def of_lane(self, entry: Entry) -> "Stage":
        """Return the books of one of its lanes; failures are kept together."""
        return Stage(self.plan, entry, self.failures, self.dead_letters)

    def arrive(self, count: int) -> None:
        """Count what came."""
        with self.books:
            self.entry.arrive(count)
            self._settle()

    def post(self, account: Account, count: int) -> None:
        """Count what ended."""
        if count:
            with self.books:
                self._pending[account] = self._pending.get(account, 0) + count
                self._settle()

    @property
    def under_way(self) -> int:
        """How many have come and not ended, without one that a generator has and may be done with."""
        return self.entry.in_flight - self._held

    def give_up(self, count: int, why: str) -> None:
        """Count what came and is given up before anything was done with it."""
        with self.books:
            self.entry.arrive(count)
            self.entry.post(Account.ABORTED, count, why)

    def hold(self, count: int) -> None:
        """Count what a generator has taken: done, but for the last, on which it may still fail."""
        if count:
            with self.books:
                self._pending[Account.DONE] = self._pending.get(Account.DONE, 0) + self._held + count - 1
                self._held = 1
                self._settle()

    def give_up_held(self) -> None:
        """Count that a generator failed on what it took last."""
        if self._held:
            self._held = 0
            self.post(self.account, 1)

    def release(self) -> None:
        """Count what was held as done: nothing more can fail on it."""
        held, self._held = self._held, 0
        self.post(Account.DONE, held)

    def take_back(self, count: int) -> None:
        """Count no longer as come what nobody has worked on."""
        with self.books:
            self.entry.arrive(-count)

    def note(self, step: str, item: Any, error: BaseException) -> Failure:
        """Keep what happened to an item that is given up."""
        failure = failure_of(self.name, step, item, error)
        self.keep(failure)
        return failure

    def keep(self, failure: Failure) -> None:
        """Keep what happened to an item that is given up, from wherever it happened."""
        self.failures.append(failure)
        if self.sets_aside:
            self.dead_letters.append(failure)
        self.entry.remark(self.account.label, failure.cause)

    def _settle(self) -> None:
        for account, count in self._pending.items():
            ready = min(count, self.entry.in_flight)
            if ready > 0:
                self.entry.post(account, ready)
                self._pending[account] = count - ready


def failure_of(stage: str, step: str, item: Any, error: BaseException) -> Failure:
    """Return what happened to an item on which a step failed."""
    return Failure(
        stage=stage,
        event=None,
        cause=f"{step}: {type(error).__name__}: {error}",
        traceback=users_traceback(error),
        item=shortened(item),
    )


def shortened(item: Any) -> str:
    """Return what an item is, in short."""
    try:
        text = repr(item)
    except Exception as error:  # noqa: BLE001 - an item is whatever users made
        text = f"<{type(item).__name__}, of which repr raised {type(error).__name__}>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
