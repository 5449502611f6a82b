"""The pipeline in Python: the same entries as in a file, with the same checks and the same plan."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from penstock.core.suggest import did_you_mean
from penstock.errors import CheckError, NotBuiltYetError, Problem
from penstock.pipeline.check import Checked, check, plan_of
from penstock.pipeline.document import Document
from penstock.pipeline.entries import Alarm, Entry, Join, Map, Merge, Reduce, Sink, Source, Steps
from penstock.pipeline.explain import explain
from penstock.pipeline.front_door import Asked, read_any
from penstock.pipeline.graph_svg import draw_svg
from penstock.pipeline.include import read_text
from penstock.pipeline.missing_extras import missing_extras
from penstock.pipeline.plan import Plan
from penstock.pipeline.reference import reference_problems

__all__ = ["Pipeline"]


class Pipeline:
    """A whole declared graph; nothing of it has started.

    Parameters
    ----------
    name
        Of the pipeline.
    sources, events, stages, sinks
        Entries by name; names are unique over all of them.
    alarms
        What somebody is to be told of, by name.
    beamtime, store, serve, control, logs, stop_s
        As in a file.
    folder
        Where relative paths start and user modules are looked for.

    Examples
    --------
    >>> pipeline = Pipeline(
    ...     name="monitor",
    ...     sources={"contrast": Source("contrast", connect="tcp://127.0.0.1:5557")},
    ...     stages={"watch": Steps("count", source="contrast")},
    ... )
    >>> pipeline.plan().stages["watch"].elements[0].name
    'count'
    """

    def __init__(
        self,
        *,
        name: str = "pipeline",
        sources: Mapping[str, Source],
        events: Mapping[str, Join | Merge] | None = None,
        stages: Mapping[str, Map | Reduce | Steps] | None = None,
        sinks: Mapping[str, Sink] | None = None,
        beamtime: str | None = None,
        store: str | None = None,
        serve: Mapping[str, Any] | None = None,
        control: Mapping[str, Any] | None = None,
        logs: Mapping[str, Any] | None = None,
        stop_s: float | None = None,
        alarms: Mapping[str, Alarm] | None = None,
        folder: Path | str = ".",
    ) -> None:
        sections = {"sources": sources, "events": events, "stages": stages, "sinks": sinks, "alarms": alarms}
        tree: dict[str, Any] = {key: _trees(entries) for key, entries in sections.items() if entries}
        others: dict[str, Any] = {"name": name, "beamtime": beamtime, "store": store, "serve": serve}
        others |= {"control": control, "logs": logs, "stop_s": stop_s}
        tree |= {key: value for key, value in others.items() if value is not None}
        self._document = Document(tree=tree, folder=Path(folder))
        self._problems: list[Problem] = []

    @classmethod
    def load(cls, path: Path | str, environ: Mapping[str, str] | None = None, asked: Asked | None = None) -> "Pipeline":
        """Read a pipeline from a file, its own or one of another system; mistakes in it are found by ``check``.

        Parameters
        ----------
        path
            The file.
        environ
            Variables; by default those of this process.
        asked
            Of a file of another system: which part of it, and how.

        Raises
        ------
        CheckError
            If the file cannot be read as YAML.
        """
        pipeline = cls.__new__(cls)
        variables = os.environ if environ is None else environ
        pipeline._document, pipeline._problems = read_any(Path(path), variables, asked)
        return pipeline

    @classmethod
    def recorded(cls, text: str, folder: Path) -> "Pipeline":
        """Read the pipeline kept with a recorded run; it is seen nowhere, logs nothing, and waits for its trigger maps.

        Raises
        ------
        CheckError
            If the text cannot be read as YAML.
        """
        pipeline = cls.__new__(cls)
        document, pipeline._problems = read_text(text, folder / "pipeline.yaml", {})
        others = ("serve", "control", "logs")
        tree = {key: value for key, value in document.tree.items() if key not in others}
        tree["events"] = {name: _without_map(event) for name, event in tree.get("events", {}).items()}
        pipeline._document = Document(tree=tree, folder=folder, name=document.name)
        return pipeline

    @property
    def problems(self) -> Sequence[Problem]:
        """What was wrong when it was read; ``check`` says it too."""
        return tuple(self._problems)

    @property
    def tree(self) -> Mapping[str, Any]:
        """What was written, as a tree."""
        return self._document.tree

    def check(self, *, cores: int | None = None) -> Checked:
        """Return every mistake, what is not built yet, and the plan if there is one."""
        return check(self._document, list(self._problems), cores=cores)

    def plan(self) -> Plan:
        """Return the plan.

        Raises
        ------
        CheckError
            With every mistake.
        """
        return plan_of(self.check())

    def to_yaml(self) -> str:
        """Return the pipeline as a file, every default filled in.

        Raises
        ------
        CheckError
            If it is wrong, or holds what a file cannot say: code that cannot be imported by name, or an argument that
            is no number, text, list or mapping.
        """
        checked = self.check()
        plan = plan_of(checked)
        if problems := reference_problems(plan):
            raise CheckError(problems)
        return explain(checked.spec, plan)

    def run(self, engine: str = "inline", **options: Any) -> Any:  # the engine's report; its type is the engine's
        """Run the pipeline to its end.

        Parameters
        ----------
        engine
            Name of an engine; others than ``inline`` come with packages that bring them.
        **options
            The engine's own.

        Raises
        ------
        CheckError
            If the pipeline is wrong, or there is no such engine.
        NotBuiltYetError
            If it asks for something this version plans and does not have.
        """
        return find_engine(engine)(self._sound_plan(), **options)

    def start(self, engine: str = "local", **options: Any) -> Any:  # the engine's handle; its type is the engine's
        """Start the pipeline beside the caller, and return at once with what it can be watched and stopped by.

        Parameters
        ----------
        engine
            Name of an engine that runs in processes of its own.
        **options
            The engine's own.

        Raises
        ------
        CheckError
            If the pipeline is wrong, or there is no such engine, or it runs in the caller's own thread.
        NotBuiltYetError
            If it asks for something this version plans and does not have.
        """
        return find_starter(engine)(self._sound_plan(), **options)

    def _sound_plan(self) -> Plan:
        plan = self.plan()
        if plan.planned:
            raise NotBuiltYetError("this pipeline cannot run yet:\n" + "\n".join(plan.planned))
        if missing := list(missing_extras(self._document, plan, "error")):
            raise CheckError(missing)
        return plan

    def _repr_svg_(self) -> str:
        """Draw the pipeline in a notebook."""
        return draw_svg(self.plan())


def find_engine(name: str) -> Callable[..., Any]:
    """Return an engine, a callable of a plan and options.

    Raises
    ------
    CheckError
        If there is none of that name.
    """
    engine: Callable[..., Any] = _engine_point(name).load()
    return engine


def find_starter(name: str) -> Callable[..., Any]:
    """Return what starts an engine, a callable of a plan and options: ``start``, beside what its entry point names.

    Raises
    ------
    CheckError
        If there is no engine of that name, or it cannot run beside its caller.
    """
    starter: Callable[..., Any] | None = getattr(import_module(_engine_point(name).module), "start", None)
    if starter is None:
        text = f"{name} runs in your own thread, so it cannot be started beside it"
        raise CheckError([Problem(where="engine", text=text, remedy="use pipeline.run, or start with engine local")])
    return starter


def _engine_point(name: str) -> EntryPoint:
    engines = {point.name: point for point in entry_points(group="penstock.engines")}
    if name not in engines:
        remedy = did_you_mean(name, engines)
        raise CheckError([Problem(where="engine", text=f'there is no engine "{name}"', remedy=remedy)])
    return engines[name]


def _without_map(event: Any) -> Any:  # as written
    """Return an event's entry without where its trigger map was read from: the map itself was recorded."""
    by = event.get("by")
    if not isinstance(by, Mapping) or "trigger-map" not in by:
        return event
    options = {key: value for key, value in by["trigger-map"].items() if key not in ("file", "map", "rule")}
    return {**event, "by": {"trigger-map": options} if options else "trigger-map"}


def _trees(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry.tree if isinstance(entry, Entry) else entry for name, entry in entries.items()}
