"""Where everything of a run of chains is in its life, for its report: looked at now and then, from outside.

It holds nobody up: what it looks at goes on meanwhile.
"""

from collections.abc import Callable, Sequence

from penstock.core.states import Lifecycle, State, state_of_copies
from penstock.monitor.life import Life, Seen, whole
from penstock.monitor.report import StateReport
from penstock.services.strands.cut import Cut
from penstock.services.strands.feed import EdgeFeed, SourceFeed
from penstock.services.strands.holds import Holds
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.parts import MarkPart, OutPart, StepPart
from penstock.services.strands.strand import Strand

__all__ = ["Lives"]


class Lives:
    """The states of a run: its pipeline, sources, stages, their workers, and sinks.

    Parameters
    ----------
    pipeline
        Its name.
    cut
        What its plan is made of.
    holds
        What of it is held.
    now
        Nanoseconds of the clock by which it is looked at.
    """

    def __init__(self, pipeline: str, cut: Cut, holds: Holds, now: int) -> None:
        self._cut = cut
        self._holds = holds
        self._lives: dict[tuple[str, str], Life] = {}
        self._begun_ns = now
        self._pipeline = pipeline
        self._strands = {
            (kind, name): [strand for strand in cut.strands if name in _names_in(strand, kind)]
            for kind, names in (("source", cut.sources), ("stage", cut.stages), ("sink", cut.sinks))
            for name in names
        }
        self._feeds = {feed.stage.name: feed for feed in cut.parallel}

    def look(self, now: int, *, is_begun: bool, is_ending: bool, end: Seen | None) -> list[StateReport]:
        """Look at everything, and say how it is.

        Parameters
        ----------
        is_begun
            Whether its strands have been started.
        is_ending
            Whether nothing more is read.
        end
            How it ended; ``None`` while it runs.
        """
        found: list[Life] = []
        busy = {name for strand in self._cut.strands for name in strand.works_on}
        states = []
        for (kind, name), strands in self._strands.items():
            life = self._life(kind, name)
            found.append(life)
            workers = self._workers(name, now, has_ended=end is not None) if kind == "stage" else []
            seen = self._seen(life, strands, [each.lifecycle for each in workers], busy, now, is_ending=is_ending)
            if not is_begun:
                seen = (State.INITIALISED, "")
            elif end is not None and seen[0] is not State.FAULT:
                seen = (State.STOPPED, "")
            life.see(seen, now)
            states.append(seen)
            found += workers
        pipeline = self._life("pipeline", self._pipeline)
        pipeline.see(end or whole(states), now)
        return [life.report(now) for life in (pipeline, *found)]

    def _life(self, kind: str, name: str, of: str = "") -> Life:
        key = (kind, name)
        if key not in self._lives:
            self._lives[key] = Life(kind, name, of, self._begun_ns)
        return self._lives[key]

    def _seen(
        self, life: Life, strands: Sequence[Strand], workers: Sequence[Lifecycle], busy: set[str], now: int, *,
        is_ending: bool,
    ) -> Seen:  # fmt: skip
        is_active = life.is_active(self._done(life), now)
        if trouble := _trouble_of(life, strands):
            return State.FAULT, trouble
        if all(strand.is_over for strand in strands):
            return State.STOPPED, ""
        held = self._holds.why(life.name) if life.kind != "sink" else ""
        state, why = (state_of_copies(each.state for each in workers), "") if workers else (State.WAITING, "")
        if state in (State.DEGRADED, State.FAULT, State.INITIALISED):
            return state, next((f"{each.name}: {each.why}" for each in workers if each.why), "")
        if is_ending or all(strand.is_over or _has_no_more(strand) for strand in strands):
            return State.FINISHING, ""
        if state is State.PROCESSING or life.name in busy:
            return State.PROCESSING, ""
        if held:
            return State.WAITING, held
        is_busy = is_active or self._has_in_flight(life, strands)
        return (State.PROCESSING if is_busy else State.WAITING), why

    def _done(self, life: Life) -> int:
        """Return a number that grows when it does something."""
        match life.kind:
            case "source":
                return self._cut.sources[life.name].entry.arrived
            case "stage":
                entry = self._cut.stages[life.name].entry
                return entry.arrived + entry.ended
            case _:
                return self._cut.sinks[life.name].entry.arrived

    def _has_in_flight(self, life: Life, strands: Sequence[Strand]) -> bool:
        if life.kind == "stage":
            stage = self._cut.stages[life.name]
            first = next((strand for strand in strands if _begins_in(strand, life.name)), None)
            return stage.under_way > 0 or (first is not None and first.in_hand > 0)
        is_own = life.kind == "sink" and isinstance(strands[0].feed, EdgeFeed) and strands[0].name == life.name
        return is_own and strands[0].in_hand > 0

    def _workers(self, stage: str, now: int, *, has_ended: bool) -> list[Life]:
        feed = self._feeds.get(stage)
        if feed is None:
            return []
        found = []
        for desk in list(feed.staff.desks):
            life = self._life("worker", desk.hand.name, stage)
            state, why = (State.STOPPED, "") if has_ended else desk.state()
            is_active = life.is_active(desk.hand.begun, now)
            if state is State.WAITING and is_active:
                state = State.PROCESSING
            life.see((state, why), now)
            found.append(life)
        return found


def _names_in(strand: Strand, kind: str) -> set[str]:
    """Return the names of the sources, stages or sinks that a strand is a part of."""
    match kind:
        case "source":
            return {strand.feed.name} if isinstance(strand.feed, SourceFeed) else set()
        case "stage":
            own = {strand.feed.stage.name} if isinstance(strand.feed, ParallelFeed) else set()
            return own | {part.stage.name for part in strand.parts if isinstance(part, MarkPart | StepPart)}
        case _:
            outs = [part for part in (*strand.parts, *strand.lanes) if isinstance(part, OutPart)]
            return {writer.name for part in outs for writer in part.writers}


def _begins_in(strand: Strand, stage: str) -> bool:
    """Return whether a strand takes items for a stage from an edge before it."""
    first = next((part for part in strand.parts if isinstance(part, MarkPart)), None)
    return isinstance(strand.feed, EdgeFeed) and first is not None and first.stage.name == stage and first.kind == "in"


def _has_no_more(strand: Strand) -> bool:
    """Return whether what lies before a strand is the last."""
    return isinstance(strand.feed, EdgeFeed | ParallelFeed) and strand.feed.edge.has_ended


def _trouble_of(life: Life, strands: Sequence[Strand]) -> str:
    """Return what went wrong there; what goes wrong in a strand says first where it did."""
    begins: dict[str, Callable[[str], bool]] = {
        "source": lambda text: text.startswith(f"source {life.name}: "),
        "stage": lambda text: text.startswith((f"stage {life.name}: ", f"{life.name}.", f"{life.name} could not")),
        "sink": lambda text: text.startswith(f"{life.name}: "),
    }
    texts = [str(strand.trouble) for strand in strands if strand.trouble is not None]
    return next(filter(begins[life.kind], texts), "")
