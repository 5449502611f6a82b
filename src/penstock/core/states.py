"""The one state table of everything long-lived: workers, stages, services, pipelines.

It says what may follow what, and what a whole is when its parts are in different states. It starts and stops nothing.
"""

from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from penstock.errors import StateError

__all__ = ["ALLOWED", "Lifecycle", "State", "state_of_chain", "state_of_copies", "way"]


class State(StrEnum):
    """Where in its life something is."""

    INITIALISED = "initialised"
    """Built, not ready yet."""
    WAITING = "waiting"
    """Ready, nothing to do."""
    PROCESSING = "processing"
    """At work."""
    FINISHING = "finishing"
    """Takes nothing new in, brings out what it has."""
    STOPPED = "stopped"
    """At its end; can be built anew."""
    DEGRADED = "degraded"
    """At work with less than it should have."""
    FAULT = "fault"
    """Cannot go on."""


ALLOWED: Final[dict[State, frozenset[State]]] = {
    State.INITIALISED: frozenset({State.WAITING, State.STOPPED, State.FAULT}),
    State.WAITING: frozenset({State.PROCESSING, State.FINISHING, State.STOPPED, State.DEGRADED, State.FAULT}),
    State.PROCESSING: frozenset({State.WAITING, State.FINISHING, State.DEGRADED, State.FAULT}),
    State.FINISHING: frozenset({State.STOPPED, State.FAULT}),
    State.STOPPED: frozenset({State.INITIALISED}),
    State.DEGRADED: frozenset({State.WAITING, State.PROCESSING, State.FINISHING, State.STOPPED, State.FAULT}),
    State.FAULT: frozenset({State.STOPPED, State.INITIALISED}),
}
"""What may follow each state; whatever is at work finishes before it stops, unless it breaks."""


def way(before: State, after: State) -> tuple[State, ...]:
    """Return the shortest way that the table allows from one state to another, without the first.

    Of several that are as short it is the one that breaks nothing.

    >>> [state.value for state in way(State.PROCESSING, State.STOPPED)]
    ['waiting', 'stopped']
    """
    ways: deque[tuple[State, ...]] = deque([()])
    seen = {before}
    while True:
        found = ways.popleft()
        here = found[-1] if found else before
        if here is after:
            return found
        for state in State:  # in their order, in which what is broken comes last
            if state in ALLOWED[here] and state not in seen:
                seen.add(state)
                ways.append((*found, state))


class Lifecycle:
    """The state of one long-lived thing.

    >>> worker = Lifecycle("fit.0")
    >>> worker.become(State.WAITING)
    True
    >>> worker.state.value
    'waiting'
    """

    __slots__ = ("_state", "name", "why")

    def __init__(self, name: str) -> None:
        self.name = name
        self._state = State.INITIALISED
        self.why = ""
        """What led to the present state, where somebody said so."""

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    def become(self, state: State, why: str = "") -> bool:
        """Change the state; return whether it changed. Becoming what one is already is no change and no error.

        Raises
        ------
        StateError
            If the table does not allow it; the text names what it does allow.
        """
        if state is self._state:
            return False
        if state not in ALLOWED[self._state]:
            allowed = ", ".join(sorted(ALLOWED[self._state]))
            raise StateError(f"{self.name} is {self._state} and cannot become {state}; it can become {allowed}")
        self._state, self.why = state, why
        return True

    def reach(self, state: State, why: str = "") -> tuple[State, ...]:
        """Become a state by the shortest legal way, and return what was become; nothing if it is so already.

        For whoever is only looked at now and then: who worked and now is stopped had nothing to do in between.
        The reason may change in one state too.
        """
        steps = way(self._state, state)
        for step in steps:
            self.become(step, why)
        self.why = why
        return steps


_ACTIVE_FIRST: Final = (State.PROCESSING, State.FINISHING, State.WAITING, State.INITIALISED, State.STOPPED)


def state_of_copies(states: Iterable[State]) -> State:
    """Return what a stage is, given its workers, which stand in for each other.

    One broken worker of several degrades the stage; only when all are broken it is. What is left decides by the most
    active; without workers it is initialised.
    """
    present = set(states)
    if not present:
        return State.INITIALISED
    if present == {State.FAULT}:
        return State.FAULT
    if present & {State.FAULT, State.DEGRADED} and present - {State.FAULT, State.STOPPED}:
        return State.DEGRADED
    if State.FAULT in present:
        return State.FAULT
    return next(state for state in _ACTIVE_FIRST if state in present)


def state_of_chain(states: Iterable[State]) -> State:
    """Return what a pipeline is, given its stages, each of which it needs.

    One broken stage breaks it, one degraded stage degrades it, and it is not ready before all are; then the most active
    decides.
    """
    present = set(states)
    for worst in (State.FAULT, State.DEGRADED, State.INITIALISED):
        if worst in present:
            return worst
    return next((state for state in _ACTIVE_FIRST if state in present), State.INITIALISED)
