"""Hold a join's trigger map against its streams and the workers that take its events."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from penstock.core.map_addition import MapAddition
from penstock.core.map_reader import MapDocument, read_addition, read_map, rule_map
from penstock.core.trigger_map import TriggerMap, part_problems
from penstock.errors import MapError, Problem, ServiceError
from penstock.pipeline.document import Document, Trail
from penstock.pipeline.plan import JoinPlan, Plan

__all__ = ["MapDocument", "addition_for", "map_of", "map_problems", "no_such_map", "read_map_for", "waits_for_map"]

IN_A_ROW: Final = 1000
"""Events. More are not given out ahead, so who is not named among them waits."""
LOOKED_AT: Final = 100_000
"""Events. A map repeats itself, and a check must stay quick."""


def waits_for_map(join: JoinPlan) -> bool:
    """Whether a join has no map before a scan gives one."""
    is_there = {"map", "file", "rule"} & join.options.keys() or join.options.get("open")
    return join.by == "trigger-map" and not is_there


def map_of(join: JoinPlan, folder: str) -> TriggerMap:
    """Return the map of a join that does not wait for it.

    Parameters
    ----------
    join
        Of the kind trigger-map.
    folder
        Where relative paths start.

    Raises
    ------
    MapError
        If it is no map.
    OSError
        If its file cannot be read.
    """
    given: Any = join.options.get("map")
    if isinstance(given, TriggerMap):
        return given
    if given is not None:
        return read_map_for(join, given)
    if "rule" in join.options:
        return rule_map(join.options["rule"], join.streams, wrap=_is_wrapped(join))
    if "file" in join.options:
        return read_map_for(join, (Path(folder) / join.options["file"]).read_bytes())
    return read_map_for(join, {"parts": {}})


def read_map_for(join: JoinPlan, document: MapDocument) -> TriggerMap:
    """Read a map for a join, with the join's options.

    Raises
    ------
    MapError
        If it is no map.
    """
    return read_map(document, wrap=_is_wrapped(join), is_open=bool(join.options.get("open", False)))


def no_such_map(join: str, joins: Iterable[str]) -> ServiceError:
    """Say that no join of this name is by trigger map, and which are."""
    return ServiceError(f"no join by trigger map is called {join!r}; there are {', '.join(joins) or 'none'}")


def addition_for(
    plan: Plan, join: str, trigger_map: TriggerMap, document: MapDocument, *, is_last: bool
) -> MapAddition:
    """Read what is to be appended to the map of a join that is running, and hold it against streams and workers.

    Raises
    ------
    MapError
        With every mistake, and where it is.
    """
    addition = read_addition(document, taken=trigger_map.part_names, is_last=is_last)
    problems = part_problems(addition.parts, plan.joins[join].streams, _workers(plan, join))
    if problems:
        raise MapError(problems)
    return addition


def map_problems(document: Document, plan: Plan) -> Iterator[Problem]:
    """Yield every mistake of the maps that are there before a scan."""
    for join in plan.joins.values():
        if join.by == "trigger-map":
            yield from _problems_of(document, plan, join)
        else:
            yield from _useless_tags(document, plan, join.name, f"{join.name} has no trigger map")
    readers = [stage for stage in plan.stages.values() if not any(name in plan.joins for _, name in stage.inputs)]
    for stage in readers:
        if stage.tags != {"generic"}:
            yield _useless(document, stage.name, "it does not read from a join")


def _problems_of(document: Document, plan: Plan, join: JoinPlan) -> Iterator[Problem]:
    key = next((key for key in ("file", "rule", "map") if key in join.options), None)
    if key is None:  # it comes with the scan, or grows
        return
    trail: Trail = ("events", join.name, "by", "trigger-map", key)
    name = join.options["file"] if key == "file" else f"the {key}"
    try:
        found = map_of(join, plan.folder)
    except OSError as error:
        yield document.problem(
            trail, f"{name} cannot be read: {error.strerror}", "name a file that exists, beside the pipeline"
        )
        return
    except MapError as error:
        yield from (_placed(document, trail, name, problem) for problem in error.problems)
        return
    problems = found.problems(join.streams, _workers(plan, join.name))
    yield from (_placed(document, trail, name, problem) for problem in problems)
    if found.is_open:  # whom it names is not known yet
        return
    yield from _nothing_for(document, plan, join.name, found)
    if not problems:
        yield from _idle(document, plan, join, trail, found)


def _is_wrapped(join: JoinPlan) -> bool:
    return bool(join.options.get("wrap", True))


def _workers(plan: Plan, join: str) -> list[frozenset[str]] | None:
    """Return the tags of each worker that takes events of a join; ``None`` if no map stage reads from it."""
    stages = [s for s in plan.stages.values() if s.kind == "map" and join in (name for _, name in s.inputs)]
    return [stage.tags for stage in stages for _ in range(stage.workers)] or None


def _nothing_for(document: Document, plan: Plan, join: str, found: TriggerMap) -> Iterator[Problem]:
    named = found.tags or {"generic"}
    for stage in plan.stages.values():
        if stage.kind == "map" and join in (name for _, name in stage.inputs) and not stage.tags & named:
            text = f"the map names no worker with {', '.join(sorted(stage.tags))}, so {stage.name} gets no events"
            remedy = f"the map names {', '.join(sorted(named))}"
            yield document.problem(("stages", stage.name, "tags"), text, remedy, level="warning")


def _idle(document: Document, plan: Plan, join: JoinPlan, trail: Trail, found: TriggerMap) -> Iterator[Problem]:
    """Warn of the first thousand consecutive events that name fewer workers than there are."""
    workers = len(_workers(plan, join.name) or ())
    length = LOOKED_AT if found.length is None else min(found.length, LOOKED_AT)
    for first in range(0, length, IN_A_ROW):
        numbers = np.arange(first, min(first + IN_A_ROW, length))
        constraint = found.routes(numbers, join.streams).constraint
        named = len(np.unique(constraint[constraint >= 0]))
        if 0 < named < min(workers, len(numbers)):
            text = (
                f"events {first} to {numbers[-1]} name {named} of {workers} workers, so the others have nothing to do"
            )
            yield document.problem(trail, text, "give fewer consecutive events the same constraint", level="warning")
            return


def _useless_tags(document: Document, plan: Plan, join: str, why: str) -> Iterator[Problem]:
    for stage in plan.stages.values():
        if join in (name for _, name in stage.inputs) and stage.tags != {"generic"}:
            yield _useless(document, stage.name, why)


def _useless(document: Document, stage: str, why: str) -> Problem:
    text = f"tags have no effect here: {why}"
    return document.problem(("stages", stage, "tags"), text, "remove them", level="warning")


def _placed(document: Document, trail: Trail, name: str, problem: Problem) -> Problem:
    inside = f"{name}, {problem.where}" if problem.where else name
    return document.problem(trail, f"{inside}: {problem.text}", problem.remedy, problem.level)
