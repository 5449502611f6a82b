"""The lives of everything in a run: what state each thing is in, why, and since when, by the table's ways only.

Whoever looks now and then may find a thing two states further; then it has been through those between. Pure: time comes
in as a number.
"""

from collections import deque
from typing import Final

from penstock.core.states import ALLOWED, Lifecycle, State

__all__ = ["Lives", "way"]


def _ways() -> dict[tuple[State, State], tuple[State, ...]]:
    found: dict[tuple[State, State], tuple[State, ...]] = {}
    for begin in State:
        queue = deque([begin])
        found[begin, begin] = ()
        while queue:
            at = queue.popleft()
            for follower in State:  # in the order of the table's definition, so that the way is always the same
                if follower in ALLOWED[at] and (begin, follower) not in found:
                    found[begin, follower] = (*found[begin, at], follower)
                    queue.append(follower)
    return found


_WAYS: Final = _ways()


def way(begin: State, end: State) -> tuple[State, ...]:
    """Return the shortest way from one state to another, without the first.

    >>> [state.value for state in way(State.PROCESSING, State.INITIALISED)]
    ['fault', 'initialised']
    """
    return _WAYS[begin, end]


class Lives:
    """The lives of all things of one run, by kind and name.

    >>> lives = Lives()
    >>> lives.note("worker", "fit-0", State.PROCESSING, 1.0)
    True
    >>> lives.note("worker", "fit-0", State.PROCESSING, 5.0)
    False
    >>> lives.since_s("worker", "fit-0", 6.0)
    5.0
    """

    def __init__(self) -> None:
        self._lives: dict[tuple[str, str], Lifecycle] = {}
        self._since: dict[tuple[str, str], float] = {}

    def note(self, kind: str, name: str, state: State, now_s: float, why: str = "") -> bool:
        """Note in which state a thing was found; return whether that is another one than before."""
        key = kind, name
        life = self._lives.get(key)
        if life is None:
            life = self._lives[key] = Lifecycle(name)
            self._since[key] = now_s
        steps = way(life.state, state)
        for step in steps:
            life.become(step, why)
        life.why = why
        if steps:
            self._since[key] = now_s
        return bool(steps)

    def since_s(self, kind: str, name: str, now_s: float) -> float:
        """Return for how long a thing has been as it is, in s; 0 of one that was never seen."""
        return now_s - self._since.get((kind, name), now_s)
