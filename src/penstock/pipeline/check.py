"""Check a pipeline: every mistake at once, and if there is none, the plan.

Checking imports the user's modules and calls nothing in them. No socket is opened and no file but the pipeline's own,
those it includes, and its trigger maps.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from penstock.core.suggest import listed
from penstock.elements.sink import Sink
from penstock.errors import CheckError, Problem
from penstock.pipeline.alarm_check import alarm_problems
from penstock.pipeline.chains import chains_trouble
from penstock.pipeline.connections import check_connections
from penstock.pipeline.detection import (
    Remark,
    address_problems,
    join_problems,
    protocol_problems,
    source_problems,
    source_remarks,
)
from penstock.pipeline.document import Document
from penstock.pipeline.elements import Finder
from penstock.pipeline.explain import explain
from penstock.pipeline.front_door import Asked, read_any
from penstock.pipeline.map_check import map_problems
from penstock.pipeline.memory import slots_needed
from penstock.pipeline.missing_extras import missing_extras
from penstock.pipeline.not_built import choices_not_built, keys_not_built
from penstock.pipeline.parallel import parallel_problems, restarts_problems
from penstock.pipeline.plan import Plan
from penstock.pipeline.plan_maker import PlanMaker
from penstock.pipeline.prepare_check import prepare_problems
from penstock.pipeline.processors import Processors
from penstock.pipeline.registry import Registry
from penstock.pipeline.spec import PipelineSpec
from penstock.pipeline.spec_reader import read_spec
from penstock.pipeline.stages_apart import with_stages_apart
from penstock.pipeline.stream_check import stream_problems

__all__ = ["Checked", "check", "check_file", "load_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of checking a pipeline."""

    document: Document
    spec: PipelineSpec
    """Every entry whose grammar is right."""
    problems: tuple[Problem, ...]
    """Errors, warnings, and what is not built yet, in the order of the lines."""
    plan: Plan | None
    """``None`` if there is an error."""
    remarks: tuple[Remark, ...] = ()
    """What can be detected, by source."""

    def of_level(self, level: Literal["error", "warning", "planned"]) -> tuple[Problem, ...]:
        """Return the problems of one level."""
        return tuple(problem for problem in self.problems if problem.level == level)


def check_file(
    path: Path | str,
    environ: Mapping[str, str] | None = None,
    cores: int | None = None,
    processors: Processors | None = None,
    asked: Asked | None = None,
) -> Checked:
    """Check a pipeline file, or a file of another system.

    Parameters
    ----------
    path
        The file.
    environ
        Variables for ``${NAME}``; by default those of this process.
    cores
        How many this machine has for us; by default as many as ``processors``.
    processors
        Those of the machine that will run it; by default this one is asked.
    asked
        Of a file of another system: which part of it.

    Raises
    ------
    CheckError
        If it cannot be read as YAML, so that there is nothing to check.
    """
    document, problems = read_any(Path(path), os.environ if environ is None else environ, asked)
    return check(document, problems, cores=cores, processors=processors)


def load_plan(path: Path | str, environ: Mapping[str, str] | None = None, asked: Asked | None = None) -> Plan:
    """Return the plan of a pipeline file, or of a file of another system.

    Raises
    ------
    CheckError
        With every mistake in it.
    """
    return plan_of(check_file(path, environ, asked=asked))


def plan_of(checked: Checked) -> Plan:
    """Return the plan, or raise every mistake.

    Raises
    ------
    CheckError
        If there is an error.
    """
    if checked.plan is None:
        raise CheckError(checked.of_level("error"))
    return checked.plan


def check(
    document: Document,
    problems: list[Problem] | None = None,
    registry: Registry | None = None,
    cores: int | None = None,
    processors: Processors | None = None,
) -> Checked:
    """Check what was written, in a file or in Python.

    Parameters
    ----------
    document
        What was written.
    problems
        Those found while it was read.
    registry
        By default that of the document's folder.
    cores
        How many this machine has for us; by default as many as ``processors``.
    processors
        Those of the machine that will run it; by default this one is asked.
    """
    processors = processors or Processors.here()
    registry = registry or Registry(document.folder)
    document = with_stages_apart(document, registry)
    spec, grammar = read_spec(document)
    finder = Finder(document=document, registry=registry)
    found = [*(problems or []), *grammar, *check_connections(document, spec)]
    plan = PlanMaker(document, spec, finder, processors).plan()
    not_built = [*keys_not_built(spec, is_chains=not chains_trouble(plan)), *choices_not_built(plan)]
    found += [document.problem(trail, text, level="planned") for trail, text in not_built]
    found += [
        *finder.problems,
        *address_problems(document, plan),
        *source_problems(document, plan),
        *protocol_problems(document, plan),
        *join_problems(document, plan),
        *map_problems(document, plan),
        *parallel_problems(document, plan),
        *prepare_problems(document, plan),
        *restarts_problems(document, spec, plan),
        *alarm_problems(document, spec, is_chains=not chains_trouble(plan)),
        *stream_problems(document, spec, plan),
    ]
    found += missing_extras(document, plan)
    found += _not_views(document, plan)
    found += _short_of_slots(document, plan)
    found += _oversubscribed(document, plan, len(processors.usable) if cores is None else cores)
    unread = {problem.where for problem in problems or ()}
    found = [problem for problem in found if problem in (problems or ()) or problem.where not in unread]
    found = sorted(set(found), key=lambda problem: (problem.file, problem.line, problem.where))
    is_sound = not any(problem.level == "error" for problem in found)
    planned = tuple(sorted(f"{problem.where}: {problem.text}" for problem in found if problem.level == "planned"))
    return Checked(
        document=document,
        spec=spec,
        problems=tuple(found),
        plan=replace(plan, planned=planned, text=_text(spec, plan)) if is_sound else None,
        remarks=tuple(source_remarks(plan)),
    )


def _text(spec: PipelineSpec, plan: Plan) -> str:
    """Return the pipeline as a file, for whoever keeps it with what is recorded."""
    if not plan.is_recorded and not any(sink.tells_all for sink in plan.sinks.values()):
        return ""
    try:
        return explain(spec, plan)
    except CheckError:  # an array among its arguments, for instance
        return ""


def _not_views(document: Document, plan: Plan) -> list[Problem]:
    """Return each sink that writes views only and is given something else."""
    reducers = [stage.name for stage in plan.stages.values() if stage.kind == "reduce"]
    remedy = f"read from {listed(reducers)}" if reducers else "put a reduce stage before it, which publishes views"
    remedy += ", or use nexus, which writes items"
    return [
        document.problem(("sinks", sink.name, "from"), f"{sink.element.name} writes views, not items", remedy)
        for sink in plan.sinks.values()
        if sink.input not in reducers
        and sink.input in (*plan.sources, *plan.joins, *plan.stages)  # else there is an error of its own
        and isinstance(sink.element.target, type)
        and issubclass(sink.element.target, Sink)
        and sink.element.target.takes_only_views
    ]


def _short_of_slots(document: Document, plan: Plan) -> list[Problem]:
    """Return each source that has fewer slots than who reads from it can have in hand."""
    needed = {name: slots_needed(plan, name) for name in plan.sources}
    return [
        document.problem(
            ("sources", source.name, "slots"),
            f"{source.slots} slots are fewer than the {needed[source.name]} that those who read from it can use",
            "leave slots out, unless they are meant to be few",
            level="warning",
        )
        for source in plan.sources.values()
        if 0 < source.slots < needed[source.name]
    ]


def _oversubscribed(document: Document, plan: Plan, cores: int) -> list[Problem]:
    stages = [stage for stage in plan.stages.values() if stage.kind == "map" and stage.run_in == "process"]
    counts = {stage.name: stage.most_workers for stage in stages}
    total = sum(counts.values())
    if total <= cores:
        return []
    most = max(counts, key=lambda name: counts[name])
    is_by_load = any(stage.limits is not None for stage in stages)
    text = f"{'up to ' if is_by_load else ''}{total} worker processes on {cores} cores" + (
        f" ({', '.join(f'{n} of {name}' for name, n in counts.items())})" if len(counts) > 1 else ""
    )
    remedy = f"together they do the work of {cores}; more help only where they wait"
    return [document.problem(("stages", most, "workers"), text, remedy, level="warning")]
