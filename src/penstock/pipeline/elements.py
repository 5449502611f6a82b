"""Find what the things of a pipeline stand for, and hold their arguments against their signatures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from inspect import isclass
from typing import Any, Final, Literal

from penstock.core.suggest import did_you_mean
from penstock.elements.item_source import source_problem
from penstock.elements.parameter_types import names_file
from penstock.elements.signature import CodeKind
from penstock.elements.user_code import Receives, parameters_of, problems_of, split_arguments
from penstock.errors import CheckError, Problem
from penstock.pipeline.bare import BareArgumentError, name_of_bare
from penstock.pipeline.document import Document, Place, Trail, dotted
from penstock.pipeline.plan import Element
from penstock.pipeline.registry import Found, Kind, PlannedTarget, Registry
from penstock.pipeline.thing import BARE, Thing
from penstock.pipeline.trial import trial_problems

__all__ = ["TEMPLATE_NAMES", "Finder"]

TEMPLATE_NAMES: Final = ("run", "name", "sink")
"""What may stand in braces in the path of a sink."""

_CODE: Final[Mapping[Kind, CodeKind]] = {
    "sources": "source",
    "steps": "step",
    "workers": "map",
    "reducers": "reduce",
    "sinks": "sink",
}


@dataclass(slots=True)
class Finder:
    """Makes elements of things, and collects what is wrong with them."""

    document: Document
    registry: Registry
    problems: list[Problem] = field(default_factory=list)
    _places: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = {dotted(trail): place for trail, place in self.document.places.items()}

    def element(
        self,
        kind: Kind,
        thing: Thing,
        trail: Trail,
        *,
        parameters: Mapping[str, Any] | None = None,
        receives: Receives = "any",
        beside: Trail = (),
    ) -> tuple[Element | None, dict[str, Any]]:
        """Return the element of a thing, and the start values of its parameters.

        Parameters
        ----------
        kind
            Where it stands.
        thing
            As written.
        trail
            Of the thing.
        parameters
            Start values written beside it.
        receives
            What comes in.
        beside
            Trail of what holds these start values.

        Returns
        -------
        element
            ``None`` if there is nothing of that name; whatever is wrong is in ``problems``.
        values
            Start values, those among the arguments included.
        """
        found = self._find(kind, thing, trail)
        if found is None:
            return None, {}
        arguments = self._named(kind, found, thing, trail)
        asked = dict(parameters or {})
        if kind not in ("sources", "sinks"):
            arguments, asked = self._in_folder(found, arguments), self._in_folder(found, asked)
        line = self.document.place((*trail, "use") if not thing.inner else (*trail, *thing.inner)).line
        if isinstance(found.target, PlannedTarget):
            sentence = f"{found.name} is not built yet; it will be: {found.planned}"
            self.problems.append(self.document.problem(trail, sentence, level="planned"))
            frozen, values = arguments, asked
        else:
            self._check(kind, found, arguments, asked, (*trail, *thing.inner), receives, beside)
            # Sources and sinks have no parameters: their keyword-only arguments are options.
            has_parameters = kind not in ("sources", "sinks")
            frozen, values = split_arguments(found.target, arguments) if has_parameters else (arguments, {})
            self._report_twice({*values} & {*asked}, beside)
            values |= asked
        if kind == "sinks":
            self._templates(arguments, (*trail, *thing.inner))
        return Element(name=found.name, target=found.target, arguments=frozen, where=dotted(trail), line=line), values

    def _find(self, kind: Kind, thing: Thing, trail: Trail) -> Found | None:
        if thing.target is not None:
            return Found(name=thing.name, target=thing.target)
        try:
            return self.registry.find(kind, thing.name)
        except CheckError as error:
            (problem,) = error.problems
            self.problems.append(self.document.problem(trail, problem.text, problem.remedy))
            return None

    def _named(self, kind: Kind, found: Found, thing: Thing, trail: Trail) -> dict[str, Any]:
        """Return the arguments, a bare one under its name."""
        if BARE not in thing.arguments:
            return dict(thing.arguments)
        if isinstance(found.target, PlannedTarget):
            return dict(thing.arguments)
        try:
            return {name_of_bare(_CODE[kind], found.target): thing.arguments[BARE]}
        except BareArgumentError as trouble:
            text = f"{thing.arguments[BARE]!r} is given to {found.name} without a name, and {trouble}"
            self.problems.append(self.document.problem((*trail, *thing.inner), text, trouble.remedy))
            return {}

    def _in_folder(self, found: Found, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments with the files that parameters name and that lie beside the pipeline as whole paths."""
        if isinstance(found.target, PlannedTarget):
            return dict(values)
        files = {
            parameter.name: (self.document.folder / values[parameter.name]).absolute()
            for parameter in parameters_of(found.target)
            if names_file(parameter, values.get(parameter.name))
        }
        return {**values, **{name: str(path) for name, path in files.items() if path.is_file()}}

    def _check(
        self,
        kind: Kind,
        found: Found,
        arguments: Mapping[str, Any],
        asked: Mapping[str, Any],
        trail: Trail,
        receives: Receives,
        beside: Trail,
    ) -> None:
        self._is_of_kind(kind, found, trail)
        where = dotted(trail)
        problems = list(problems_of(_CODE[kind], found.target, arguments, asked, where, receives))
        if not problems:
            problems = list(trial_problems(found.target, {**arguments, **asked}, where))
        for problem in problems:
            name = problem.where.removeprefix(where).lstrip(".")
            if name in asked and name not in arguments:
                problem = replace(problem, where=dotted((*beside, name)))
            self.problems.append(self._placed(problem, trail))

    def _placed(self, problem: Problem, trail: Trail) -> Problem:
        place = self._places.get(problem.where) or self.document.place(trail)
        return replace(problem, file=place.file, line=place.line)

    def _report_twice(self, names: set[str], beside: Trail) -> None:
        for name in sorted(names):
            text = "its start value stands among the arguments too"
            self.problems.append(self.document.problem((*beside, name), text, "keep one of them"))

    def _is_of_kind(self, kind: Kind, found: Found, trail: Trail) -> None:
        if kind not in ("sources", "sinks"):
            return
        base = _base(kind)
        if isclass(found.target) and issubclass(found.target, base):
            return
        if kind == "sources":
            if text := source_problem(found.target):
                remedy = "subclass penstock.elements.Source, or write __iter__"
                self.problems.append(self.document.problem(trail, f"{found.name} is no source: {text}", remedy))
        elif isclass(found.target):
            text = f"{found.name} is no {base.__name__.lower()}"
            self.problems.append(self.document.problem(trail, text, f"subclass penstock.elements.{base.__name__}"))
        elif callable(found.target):
            text = f"{found.name} is a function, and functions as {kind} are not built yet"
            self.problems.append(self.document.problem(trail, text, level="planned"))

    def _templates(self, arguments: Mapping[str, Any], trail: Trail) -> None:
        for name, value in arguments.items():
            if not isinstance(value, str) or not (name in ("path", "address") or name.endswith("_path")):
                continue
            for word in re.findall(r"\{([^{}]*)\}", value):
                if word not in TEMPLATE_NAMES:
                    remedy = did_you_mean(f"{{{word}}}", [f"{{{each}}}" for each in TEMPLATE_NAMES])
                    text = f"nothing is called {{{word}}} in {'an address' if name == 'address' else 'a path'}"
                    self.problems.append(self.document.problem((*trail, name), text, remedy))


def _base(kind: Literal["sources", "sinks"] | Kind) -> type:
    if kind == "sources":
        from penstock.elements.source import Source

        return Source
    from penstock.elements.sink import Sink

    return Sink
