"""The look-out for the end of a run: whether anything can still happen, and what must be stopped for the rest."""

from collections.abc import Callable, Mapping
from typing import Final

from penstock.core import NS_PER_S
from penstock.core.run import Outcome, RunState
from penstock.services.builder_course import BuilderCourse
from penstock.services.remote_source import RemoteSource
from penstock.services.remote_stage import RemoteStage
from penstock.services.settled_join import SettledJoin
from penstock.services.wiring import Wiring

__all__ = ["LINGER_NS", "MOST_LINGERING", "EndWatch"]

LINGER_NS: Final = 50_000_000
"""How long it must be silent after the end until a run is over; nothing of a network on one site takes longer."""
MOST_LINGERING: Final = 20
"""Readings after the end at most: an instrument may go on for ever."""


class EndWatch:
    """Says when a run is over; it ends nothing itself but reading.

    Parameters
    ----------
    course, state, wiring, sources, joins, stages
        Of the run; the caller's, as they change and become more.
    stop
        Has nothing more read, and what can be formed formed.
    silent_s
        For how long instruments that have spoken may be silent; 0: for ever.
    reads_all
        Whether sources are read to their end whatever joins have had, as in a replay.
    is_held
        Whether somebody is held from the beginning.
    """

    def __init__(
        self,
        course: BuilderCourse,
        state: RunState,
        wiring: Wiring,
        *,
        sources: Mapping[str, RemoteSource],
        joins: Mapping[str, SettledJoin],
        stages: Mapping[str, RemoteStage],
        stop: Callable[[], None],
        silent_s: float = 0.0,
        reads_all: bool = False,
        is_held: bool = False,
    ) -> None:
        self._course, self._state, self._wiring = course, state, wiring
        self._sources, self._joins, self._stages = sources, joins, stages
        self._stop = stop
        self._silent_s = silent_s
        self._silent_ns = round(silent_s * NS_PER_S)
        self._reads_all = reads_all
        self._may_be_held = is_held
        """Whether anybody ever was."""
        self._heard_ns: int | None = None
        self._linger_ns: int | None = None
        self._lingered = 0

    @property
    def due_ns(self) -> int | None:
        """When it is to be asked again, if nothing happens; ``None``: never for the time."""
        return self._linger_ns

    def hear(self, now: int) -> None:
        """Learn that something has come from an instrument."""
        self._heard_ns = now
        if self._linger_ns is not None:
            self._linger_ns = now + LINGER_NS
        self._lingered += 1

    def note_hold(self, now: int) -> None:
        """Learn that somebody was held or released: what was held was not silent."""
        self._may_be_held = True
        if self._heard_ns is not None:
            self._heard_ns = now

    def is_over(self, now: int) -> bool:
        """Whether the run is to be closed now."""
        course = self._course
        if self._may_be_held and not course.is_ending and self._is_anything_held:
            return False  # nobody knows what will come when it is released
        if self._was_silent(now) and not course.is_stopping:
            self._state.mark(Outcome.INCOMPLETE, f"nothing has arrived for {self._silent_s:g} s")
            self._stop()
        if not self._is_all_done():
            self._linger_ns = None
            return False
        return not self._lingers(now) and not self._brings_out()

    @property
    def _is_anything_held(self) -> bool:
        held = any(source.is_held and source.is_open for source in self._sources.values())
        return held or any(stage.is_held for stage in self._stages.values())

    def _was_silent(self, now: int) -> bool:
        return bool(self._silent_ns) and self._heard_ns is not None and now - self._heard_ns >= self._silent_ns

    def _is_all_done(self) -> bool:
        """Whether nothing more can happen: joins have had their end event, other sources have ended, all is done."""
        if self._course.is_failing:
            return all(stage.is_settled for stage in self._stages.values())
        if not all(stage.is_idle for stage in self._stages.values()):
            return False
        if not all(join.builder.is_finished for join in self._joins.values()):
            return False
        if self._reads_all:
            return not any(source.is_open for source in self._sources.values())
        joined = {stream for join in self._joins.values() for stream in self._wiring.sources_of(join.builder.streams)}
        return all(source.has_ended for name, source in self._sources.items() if name not in joined)

    def _lingers(self, now: int) -> bool:
        """Whether something may be on its way that was sent before the end."""
        is_live = any(source.is_open and not source.is_file for source in self._sources.values())
        if not is_live or self._course.is_stopping or self._course.is_failing:
            return False
        if self._linger_ns is None:
            self._linger_ns, self._lingered = now + LINGER_NS, 0
        return now < self._linger_ns and self._lingered < MOST_LINGERING

    def _brings_out(self) -> bool:
        """Whether the rest is yet to come out: who holds something brings it when nothing more will come."""
        if self._course.is_failing or not any(stage.holds for stage in self._stages.values()):
            return False
        if not self._course.is_stopping:
            self._stop()
        return any(source.is_open for source in self._sources.values())
