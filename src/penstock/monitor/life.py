"""The life of one thing of a run, as it is seen now and then: its state, since when, and whether it gets on.

What is seen may have gone through other states in between; a life only ever goes legal ways.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from penstock.core import NS_PER_S
from penstock.core.states import Lifecycle, State, state_of_chain
from penstock.monitor.report import StateReport

__all__ = ["Life", "Seen", "whole"]

ACTIVE_NS: Final = NS_PER_S
"""Who has done something within this time is at work, as far as a report goes."""

Seen = tuple[State, str]
"""What something is at, and why."""


@dataclass(eq=False)
class Life:
    """Of one thing.

    >>> fit = Life("worker", "fit-0", of="fit")
    >>> fit.is_active(0, 0), fit.is_active(5, 1), fit.is_active(5, ACTIVE_NS + 1)
    (False, True, False)
    >>> fit.see((State.PROCESSING, ""), 1), fit.see((State.PROCESSING, ""), 2)
    (True, False)
    >>> fit.report(NS_PER_S + 1).state, fit.report(NS_PER_S + 1).since_s
    ('processing', 1.0)
    """

    kind: str
    name: str
    of: str = ""
    since_ns: int = 0
    lifecycle: Lifecycle = field(init=False)
    _count: int = 0
    _active_ns: int | None = None

    def __post_init__(self) -> None:
        self.lifecycle = Lifecycle(self.name)

    def is_active(self, count: int, now: int) -> bool:
        """Return whether it has done something lately.

        Parameters
        ----------
        count
            Of what it has done by now.
        """
        if count != self._count:
            self._count, self._active_ns = count, now
        return self._active_ns is not None and now - self._active_ns < ACTIVE_NS

    def see(self, seen: Seen, now: int) -> bool:
        """Note what it is at; return whether that is another state than before."""
        is_news = bool(self.lifecycle.reach(*seen))
        if is_news:
            self.since_ns = now
        return is_news

    def report(self, now: int) -> StateReport:
        """Say how it is."""
        return StateReport(
            name=self.name,
            kind=self.kind,
            state=str(self.lifecycle.state),
            of=self.of,
            why=self.lifecycle.why,
            since_s=max(0, now - self.since_ns) / NS_PER_S,
        )


def whole(parts: Iterable[Seen]) -> Seen:
    """Return what a pipeline is at, given its parts, with the reason of the first that is so.

    >>> whole([(State.WAITING, ""), (State.DEGRADED, "fit-0 has died")])
    (<State.DEGRADED: 'degraded'>, 'fit-0 has died')
    """
    parts = list(parts)
    state = state_of_chain(state for state, _ in parts)
    return state, next((why for each, why in parts if each is state and why), "")
