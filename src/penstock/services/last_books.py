"""The books of a run as its event builder said them last: how old they are, and when to ask for them again."""

from typing import Final

import msgspec

from penstock.monitor.report import RunReport, books_of_nothing

__all__ = ["BOOKS_S", "LastBooks"]

BOOKS_S: Final = 1.0
"""How often they are asked for, so that they are known should the event builder die."""


class LastBooks:
    """The last known books of one run.

    Parameters
    ----------
    pipeline, run
        Names.
    """

    def __init__(self, pipeline: str, run: str) -> None:
        self._pipeline, self._run = pipeline, run
        self.said: RunReport | None = None
        """What was said last; ``None``: nothing was."""
        self._said_s = self._asked_s = 0.0

    def take(self, raw: msgspec.Raw, now_s: float) -> None:
        """Take what the event builder says, as MessagePack."""
        self.said = msgspec.msgpack.decode(raw, type=RunReport)
        self._said_s = now_s

    def is_due(self, now_s: float) -> bool:
        """Whether to ask for them now; then not again for a while."""
        if now_s - self._asked_s < BOOKS_S:
            return False
        self._asked_s = now_s
        return True

    def age_text(self, now_s: float) -> str:
        """Say what is known of them when nobody can be asked any more."""
        if self.said is None:
            return "its books are lost"
        return f"the books are those of {now_s - self._said_s:.1f} s before"

    def as_report(self, *, has_ended: bool) -> RunReport:
        """Return them; of a run that has ended, what was still under way is in them as aborted."""
        if self.said is None:
            return books_of_nothing(self._pipeline, self._run)
        if has_ended and any(edge.in_flight for edge in self.said.edges):
            return self.said.with_rest_aborted()
        return self.said
