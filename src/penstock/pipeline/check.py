"""Check a pipeline: every mistake at once, and if there is none, the plan.

Checking imports the user's modules and calls nothing in them. No socket is opened and no file but the pipeline's own,
those it includes, and its trigger maps.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from penstock.elements.user_code import Receives, step_names
from penstock.errors import CheckError, Problem
from penstock.pipeline.connections import check_connections, gives
from penstock.pipeline.detection import Remark, join_problems, protocol_problems, source_remarks
from penstock.pipeline.document import Document, Trail
from penstock.pipeline.elements import Finder
from penstock.pipeline.flow import Flow
from penstock.pipeline.include import read_file
from penstock.pipeline.map_check import map_problems
from penstock.pipeline.not_built import keys_not_built
from penstock.pipeline.plan import Element, JoinPlan, MergePlan, Plan, SinkPlan, SourcePlan, StagePlan
from penstock.pipeline.registry import Kind, Registry
from penstock.pipeline.spec import Every, JoinSpec, MergeSpec, PipelineSpec, SinkSpec, SourceSpec, StageSpec
from penstock.pipeline.spec_reader import read_spec

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


def check_file(path: Path | str, environ: Mapping[str, str] | None = None, cores: int | None = None) -> Checked:
    """Check a pipeline file.

    Parameters
    ----------
    path
        The file.
    environ
        Variables for ``${NAME}``; by default those of this process.
    cores
        How many this machine has for us; by default it is asked.

    Raises
    ------
    CheckError
        If it cannot be read as YAML, so that there is nothing to check.
    """
    document, problems = read_file(Path(path), os.environ if environ is None else environ)
    return check(document, problems, cores=cores)


def load_plan(path: Path | str, environ: Mapping[str, str] | None = None) -> Plan:
    """Return the plan of a pipeline file.

    Raises
    ------
    CheckError
        With every mistake in it.
    """
    return plan_of(check_file(path, environ))


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
        How many this machine has for us; by default it is asked.
    """
    spec, grammar = read_spec(document)
    checker = _Checker(document, spec, Finder(document=document, registry=registry or Registry(document.folder)))
    found = [*(problems or []), *grammar, *check_connections(document, spec)]
    found += [document.problem(trail, text, level="planned") for trail, text in keys_not_built(spec)]
    plan = checker.plan()
    found += [
        *checker.finder.problems,
        *protocol_problems(document, plan),
        *join_problems(document, plan),
        *map_problems(document, plan),
    ]
    found += _oversubscribed(document, plan, len(os.sched_getaffinity(0)) if cores is None else cores)
    found = sorted(set(found), key=lambda problem: (problem.file, problem.line, problem.where))
    is_sound = not any(problem.level == "error" for problem in found)
    planned = tuple(sorted(f"{problem.where}: {problem.text}" for problem in found if problem.level == "planned"))
    return Checked(
        document=document,
        spec=spec,
        problems=tuple(found),
        plan=replace(plan, planned=planned) if is_sound else None,
        remarks=tuple(source_remarks(plan)),
    )


@dataclass(slots=True)
class _Checker:
    """Makes the plan, entry by entry; entries whose element is not found are left out."""

    document: Document
    spec: PipelineSpec
    finder: Finder
    _flow: Flow = field(init=False)

    def plan(self) -> Plan:
        self._flow = Flow.of(self.spec)
        stages = {name: self._stage(name, self.spec.stages[name]) for name in self._flow.order(list(self.spec.stages))}
        events = self._flow.order(list(self.spec.events))
        return Plan(
            name=self.spec.name,
            sources=_present({name: self._source(name, source) for name, source in self.spec.sources.items()}),
            joins={name: _join(name, e) for name in events if isinstance(e := self.spec.events[name], JoinSpec)},
            merges={
                name: MergePlan(name=name, streams=e.merge)
                for name in events
                if isinstance(e := self.spec.events[name], MergeSpec)
            },
            stages=_present(stages),
            sinks=_present({name: self._sink(name, sink) for name, sink in self.spec.sinks.items()}),
            folder=str(self.document.folder),
        )

    def _source(self, name: str, source: SourceSpec) -> SourcePlan | None:
        element, _ = self.finder.element("sources", source.use, ("sources", name))
        if element is None:
            return None
        return SourcePlan(name=name, element=element, record=bool(source.record), when_full=source.when_full)

    def _stage(self, name: str, stage: StageSpec) -> StagePlan | None:
        trail: Trail = ("stages", name)
        receives = self._receives(stage)
        if stage.kind == "steps":
            elements, parameters = self._steps(trail, stage, receives)
        else:
            kind: Kind = "workers" if stage.kind == "map" else "reducers"
            element, parameters = self.finder.element(
                kind,
                stage.things[0],
                (*trail, stage.kind),
                parameters=stage.parameters,
                receives=receives,
                beside=(*trail, "parameters"),
            )
            elements = (element,)
        if any(element is None for element in elements):
            return None
        return StagePlan(
            name=name,
            kind=stage.kind,
            inputs=tuple(stage.inputs.items()),
            elements=tuple(element for element in elements if element is not None),
            workers=stage.workers,
            run_in=stage.run_in or ("inline" if stage.kind == "steps" else "process"),
            order=stage.order,
            when_full=stage.when_full,
            on_error=stage.on_error,
            tags=frozenset(stage.tags),
            parameters=parameters,
        )

    def _steps(
        self, trail: Trail, stage: StageSpec, receives: Receives
    ) -> tuple[tuple[Element | None, ...], dict[str, Any]]:
        """Return the steps, and the start values of their parameters as ``step.parameter``."""
        names = step_names([thing.name for thing in stage.things])
        asked = self._by_step(trail, stage.parameters, names)
        elements: list[Element | None] = []
        parameters: dict[str, Any] = {}
        for index, (thing, name) in enumerate(zip(stage.things, names, strict=True)):
            element, values = self.finder.element(
                "steps",
                thing,
                (*trail, "steps", index),
                parameters=asked[name],
                receives="any" if index else receives,
                beside=(*trail, "parameters", name),
            )
            elements.append(element)
            parameters |= {f"{name}.{parameter}": value for parameter, value in values.items()}
        return tuple(elements), parameters

    def _by_step(self, trail: Trail, parameters: Mapping[str, Any], names: list[str]) -> dict[str, dict[str, Any]]:
        """Sort ``{step: {name: value}}`` by step."""
        found: dict[str, dict[str, Any]] = {name: {} for name in names}
        for name, values in parameters.items():
            if name in found and isinstance(values, Mapping):
                found[name] = dict(values)
                continue
            remedy = f"write parameters: {{{names[0]}: {{name: value}}}}"
            text = (
                f'"{name}" is no step of this stage'
                if name not in found
                else f"the parameters of {name} are wanted by name"
            )
            self.finder.problems.append(self.document.problem((*trail, "parameters", name), text, remedy))
        return found

    def _receives(self, stage: StageSpec) -> Receives:
        what = gives(self.spec)
        words: Mapping[str, Receives] = {"source": "message", "join": "event", "map": "result"}
        kinds = {words.get(what.get(producer, ""), "any") for producer in stage.inputs.values()}
        return kinds.pop() if len(kinds) == 1 else "any"

    def _sink(self, name: str, sink: SinkSpec) -> SinkPlan | None:
        element, _ = self.finder.element("sinks", sink.use, ("sinks", name))
        if element is None:
            return None
        base, _, lane = sink.input.partition(".")
        is_view = base in self.spec.stages and self.spec.stages[base].kind == "reduce"
        when = sink.when or ("end" if is_view else "item")
        stage, _, word = (sink.where or "").partition(".")
        return SinkPlan(
            name=name,
            element=element,
            input=base,
            when="every" if isinstance(when, Every) else when,
            every_s=when.every_s if isinstance(when, Every) else 0.0,
            where=(stage, word) if sink.where else None,
            lane=lane,
            when_full=sink.when_full,
            on_error=sink.on_error,
        )


def _present(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry for name, entry in entries.items() if entry is not None}


def _join(name: str, join: JoinSpec) -> JoinPlan:
    options = {key: value for key, value in join.by.model_dump().items() if value is not None}
    return JoinPlan(
        name=name, streams=join.join, by=join.by.kind, options=options, incomplete=join.incomplete, wait_s=join.wait_s
    )


def _oversubscribed(document: Document, plan: Plan, cores: int) -> list[Problem]:
    counts = {
        stage.name: stage.workers for stage in plan.stages.values() if stage.kind == "map" and stage.run_in == "process"
    }
    total = sum(counts.values())
    if total <= cores:
        return []
    most = max(counts, key=lambda name: counts[name])
    text = f"{total} worker processes on {cores} cores" + (
        f" ({', '.join(f'{n} of {name}' for name, n in counts.items())})" if len(counts) > 1 else ""
    )
    remedy = f"together they do the work of {cores}; more help only where they wait"
    return [document.problem(("stages", most, "workers"), text, remedy, level="warning")]
