"""The states of everything in a run of one thread, where only what something has done lately says what it is at."""

from collections.abc import Iterator
from typing import Final

from penstock.core import NS_PER_S, Ledger
from penstock.core.run import Outcome, RunState
from penstock.core.states import State
from penstock.monitor.life import Life, Seen, whole
from penstock.monitor.report import StateReport
from penstock.pipeline.plan import Plan
from penstock.services.build import Rooms

__all__ = ["LOOK_NS", "ThreadStates"]

LOOK_NS: Final = NS_PER_S // 4
"""How often it is looked who has done something lately."""

Key = tuple[str, str]
"""(kind, name)"""


class ThreadStates:
    """Says where everything is in its life, and since when.

    Parameters
    ----------
    plan, state, ledger
        Of the run.
    since_ns
        When it began, on the clock of whoever asks.
    """

    def __init__(self, plan: Plan, state: RunState, ledger: Ledger, since_ns: int) -> None:
        self._plan, self._state, self._ledger = plan, state, ledger
        self._since_ns = self._looked_ns = since_ns
        self._lives: dict[Key, Life] = {}

    def look(self, rooms: Rooms, now: int) -> None:
        """See who has done something, if it is time for that."""
        if now - self._looked_ns >= LOOK_NS:
            self._looked_ns = now
            self.reports(rooms, now)

    def reports(self, rooms: Rooms, now: int, *, has_ended: bool = False) -> list[StateReport]:
        """Return the pipeline, then sources, stages and sinks, in the order of the plan.

        Parameters
        ----------
        rooms
            Of the run; before they are built, only the pipeline is known.
        has_ended
            Whether everything was closed.
        """
        seen = {key: self._see(key, count, rooms, now, has_ended) for key, count in self._done(rooms)}
        pipeline = "pipeline", self._plan.name
        self._life(pipeline).see(self._end() if has_ended else whole(seen.values()), now)
        return [self._life(key).report(now) for key in (pipeline, *seen)]

    def _done(self, rooms: Rooms) -> Iterator[tuple[Key, int]]:
        """Yield how much everything has done."""
        for name, intake in rooms.intakes.items():
            yield ("source", name), intake.entry.arrived
        for kind, names in (("stage", self._plan.stages), ("sink", self._plan.sinks)):
            for name in names if rooms.intakes else ():
                mine = (entry for entry in self._ledger if entry.consumer == name)
                yield (kind, name), sum(entry.arrived + entry.ended for entry in mine)

    def _see(self, key: Key, count: int, rooms: Rooms, now: int, has_ended: bool) -> Seen:
        life, intake = self._life(key), rooms.intakes.get(key[1])
        is_active = life.is_active(count, now)
        if has_ended or (key[0] == "source" and intake is not None and intake.has_ended):
            seen: Seen = (State.STOPPED, "")
        else:
            seen = (State.PROCESSING if is_active else State.WAITING, "")
        life.see(seen, now)
        return seen

    def _end(self) -> Seen:
        has_failed = self._state.prospect is Outcome.FAILED
        return (State.FAULT if has_failed else State.STOPPED), next(iter(self._state.reasons), "")

    def _life(self, key: Key) -> Life:
        if key not in self._lives:
            self._lives[key] = Life(*key, since_ns=self._since_ns)
        return self._lives[key]
