"""The sources of a run in one thread while they are read: what each waits on, and which catch up first."""

from collections.abc import Callable
from typing import Any

from penstock.elements.resumed_source import ResumedSource
from penstock.services.balance import Balance
from penstock.services.intake import Intake
from penstock.services.waiter import Waiter

__all__ = ["Reading"]


class Reading:
    """Reads whatever can be read.

    Parameters
    ----------
    waiter
        Waits until a source has something; the caller's.
    clock, utc
        Nanoseconds: monotonic, and since 1970 UTC.
    """

    def __init__(self, waiter: Waiter, clock: Callable[[], int], utc: Callable[[], int]) -> None:
        self._waiter, self._clock, self._utc = waiter, clock, utc
        self._pollables: dict[str, Any] = {}  # of open sources: a socket, a file descriptor or None
        self._catching_up: set[str] = set()
        """Sources that give what was recorded before a run went on."""

    def open(self, intake: Intake) -> None:
        """Open an instrument, and wait for it from now on.

        Raises
        ------
        PenstockError
            If it cannot be opened.
        """
        intake.open()
        self._wait_on(intake)
        if isinstance(intake.source, ResumedSource):
            self._catching_up.add(intake.name)

    def read(self, balance: Balance) -> bool:
        """Read every source once that can be read; return whether there was anything."""
        was_busy = False
        for intake in balance.readable():
            was_busy |= intake.read(self._clock(), self._utc())
            if intake.name in self._catching_up and not intake.source.is_catching_up:  # type: ignore[attr-defined]
                self._catching_up.remove(intake.name)
                self._wait_on(intake)
            if not intake.is_open:
                self._waiter.drop(self._pollables.pop(intake.name, None))
        return was_busy

    def not_to_read(self, balance: Balance) -> list[Any]:
        """Return what the sources wait on that must not be read now, and those that would have nothing."""
        early = [intake for intake in balance.readable() if intake.due_ns is not None]
        return [self._pollables[intake.name] for intake in (*balance.held_back(), *early)]

    def _wait_on(self, intake: Intake) -> None:
        self._pollables[intake.name] = intake.source.pollable
        self._waiter.add(intake.source.pollable)
