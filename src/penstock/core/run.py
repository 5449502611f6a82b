"""The run: one execution, how it ended, and why. It holds reasons; who finds them tells it."""

from enum import StrEnum
from typing import Final

from penstock.errors import StateError

__all__ = ["Outcome", "RunState"]


class Outcome(StrEnum):
    """How a run is or was."""

    RUNNING = "running"
    FINISHED = "finished"
    """Every planned event is accounted for."""
    INCOMPLETE = "incomplete"
    """Some planned events never formed."""
    ABORTED = "aborted"
    """Somebody asked for its end."""
    FAILED = "failed"
    """Custody or an output was lost, or user code failed."""


_SEVERITY: Final = (Outcome.FINISHED, Outcome.INCOMPLETE, Outcome.ABORTED, Outcome.FAILED)
_EXIT_CODES: Final = {Outcome.FINISHED: 0, Outcome.FAILED: 1, Outcome.INCOMPLETE: 3, Outcome.ABORTED: 130}
MOST_REASONS: Final = 100
"""Reasons kept per outcome; further ones are counted."""


class RunState:
    """What is known of a run's outcome: the gravest thing said of it, with all reasons.

    >>> run = RunState("2026-11-20-0001")
    >>> run.mark(Outcome.INCOMPLETE, "2 events never formed")
    >>> run.end().value
    'incomplete'
    >>> run.exit_code
    3
    """

    def __init__(self, id: str) -> None:  # noqa: A002 - the glossary's word
        self.id = id
        self.dead_letters = 0
        """Events set aside; a run that finished with some is told so by its exit code."""
        self._worst = Outcome.FINISHED
        self._ended = False
        self._reasons: dict[Outcome, list[str]] = {outcome: [] for outcome in _SEVERITY}
        self._unsaid = 0

    @property
    def outcome(self) -> Outcome:
        """The outcome, ``running`` before ``end``."""
        return self._worst if self._ended else Outcome.RUNNING

    @property
    def prospect(self) -> Outcome:
        """How it would end if it ended now."""
        return self._worst

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not simply finished, and what else is worth knowing, the gravest first."""
        said = [reason for outcome in reversed(_SEVERITY) for reason in self._reasons[outcome]]
        return (*said, f"and {self._unsaid} more") if self._unsaid else tuple(said)

    @property
    def exit_code(self) -> int:
        """What a command that ran it returns.

        Raises
        ------
        StateError
            If it still runs.
        """
        if not self._ended:
            raise StateError(f"run {self.id} is running; it has no exit code before it ends")
        code = _EXIT_CODES[self._worst]
        return 3 if code == 0 and self.dead_letters else code

    def mark(self, outcome: Outcome, reason: str) -> None:
        """Say that the run cannot end better than this.

        Raises
        ------
        StateError
            If it has ended, or if ``outcome`` is none of incomplete, aborted and failed.
        """
        if outcome not in (Outcome.INCOMPLETE, Outcome.ABORTED, Outcome.FAILED):
            raise StateError(f"run {self.id} cannot be marked {outcome}; mark it incomplete, aborted or failed")
        if self._ended:
            raise StateError(f"run {self.id} has ended as {self._worst}; it cannot become {outcome}: {reason}")
        self._worst = max(self._worst, outcome, key=_SEVERITY.index)
        reasons = self._reasons[outcome]
        if reason in reasons:
            return
        if len(reasons) < MOST_REASONS:
            reasons.append(reason)
        else:
            self._unsaid += 1

    def note(self, reason: str) -> None:
        """Say what is worth knowing of a run and leaves its outcome as it is."""
        noted = self._reasons[Outcome.FINISHED]
        if reason not in noted and len(noted) < MOST_REASONS:
            noted.append(reason)

    def end(self) -> Outcome:
        """Settle the outcome, once and for all; a second call returns the same."""
        self._ended = True
        return self._worst
