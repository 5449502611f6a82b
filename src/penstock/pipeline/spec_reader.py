"""Turn a document into the models of the grammar, with every mistake of it at once.

Each entry is read alone, so that a mistake in one hides none in another.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from math import inf
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from penstock.core.suggest import did_you_mean, listed
from penstock.errors import Problem
from penstock.pipeline.document import Document, Trail
from penstock.pipeline.spec import (
    STOP_S,
    AlarmSpec,
    ControlSpec,
    JoinSpec,
    LogsSpec,
    MergeSpec,
    PipelineSpec,
    RestartsSpec,
    ServeSpec,
    SinkSpec,
    SourceSpec,
    StageSpec,
    WorkersSpec,
)

__all__ = ["SECTIONS", "read_spec"]

SECTIONS: Final = (
    "name", "beamtime", "store", "include", "sources", "events", "stages", "sinks", "serve", "control", "logs",
    "stop_s",
    "alarms",
)  # fmt: skip
"""The keys at the top. Keys that begin with ``x-`` hold anchors and are not read."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PRODUCERS: Final = ("sources", "events", "stages", "sinks")

Model = TypeVar("Model", bound=BaseModel)


def read_spec(document: Document) -> tuple[PipelineSpec, list[Problem]]:
    """Read a whole document.

    Returns
    -------
    spec
        Every entry that is right.
    problems
        Every mistake of the grammar.
    """
    reader = _Reader(document)
    return reader.read(), reader.problems


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def read(self) -> PipelineSpec:
        tree = self._document.tree
        self._top_level(tree)
        self._names_are_unique(tree)
        serve = self._model(ServeSpec, tree["serve"], ("serve",)) if tree.get("serve") is not None else None
        control = self._model(ControlSpec, tree["control"], ("control",)) if tree.get("control") is not None else None
        logs = self._model(LogsSpec, tree["logs"], ("logs",)) if tree.get("logs") is not None else None
        return PipelineSpec(
            name=self._text("name") or self._document.name,
            beamtime=self._text("beamtime"),
            store=self._text("store"),
            sources=dict(self._section("sources", SourceSpec)),
            events=dict(self._events()),
            stages=dict(self._section("stages", StageSpec)),
            sinks=dict(self._section("sinks", SinkSpec)),
            serve=serve,
            control=control,
            logs=logs,
            stop_s=self._seconds("stop_s", STOP_S),
            alarms=dict(self._section("alarms", AlarmSpec)),
        )

    def _report(self, trail: Trail, text: str, remedy: str = "") -> None:
        self.problems.append(self._document.problem(trail, text, remedy))

    def _top_level(self, tree: Mapping[Any, Any]) -> None:
        for key in tree:
            if key not in SECTIONS and not str(key).startswith("x-"):
                self._report((key,), f'"{key}" is no part of a pipeline', did_you_mean(str(key), SECTIONS))
        if not tree.get("sources"):
            self._report(("sources",), "a pipeline needs a source", "write sources: with at least one entry")

    def _text(self, key: str) -> str | None:
        value = self._document.tree.get(key)
        if value is None or isinstance(value, str):
            return value or None
        self._report((key,), f"a text is wanted, and {value!r} is none", f'write {key}: "{value}"')
        return None

    def _seconds(self, key: str, default: float) -> float:
        value = self._document.tree.get(key)
        if value is None:
            return default
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < inf:
            return float(value)
        self._report((key,), f"seconds are wanted, and {value!r} are none", f"write {key}: {default:g}")
        return default

    def _entries(self, section: str) -> Iterator[tuple[str, Any]]:
        """Yield the entries of a section whose names are fit to be used."""
        entries = self._document.tree.get(section)
        if entries is None:
            return
        if not isinstance(entries, Mapping):
            self._report((section,), "names with their entries are wanted", f"write {section}: {{name: …}}")
            return
        for name, entry in entries.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                why = "a name has no dots" if isinstance(name, str) and "." in name else f"{name!r} is no name"
                self._report((section, name), why, "use letters, digits, _ and -, beginning with a letter")
                continue
            yield name, entry

    def _section(self, section: str, model: type[Model]) -> Iterator[tuple[str, Model]]:
        for name, entry in self._entries(section):
            if found := self._model(model, entry, (section, name)):
                yield name, found

    def _events(self) -> Iterator[tuple[str, JoinSpec | MergeSpec]]:
        for name, entry in self._entries("events"):
            is_mapping = isinstance(entry, Mapping)
            if not is_mapping or ("join" in entry) == ("merge" in entry):
                self._report(
                    ("events", name),
                    "an entry of events is either join or merge",
                    "write {join: [a, b], by: …} or {merge: [a, b]}",
                )
                continue
            model: type[JoinSpec | MergeSpec] = JoinSpec if "join" in entry else MergeSpec
            if found := self._model(model, entry, ("events", name)):
                yield name, found

    def _names_are_unique(self, tree: Mapping[str, Any]) -> None:
        seen: dict[str, str] = {}
        for section in _PRODUCERS:
            entries = tree.get(section)
            for name in entries if isinstance(entries, Mapping) else ():
                if name in seen:
                    other = self._document.place((seen[name], name))
                    at = f" (line {other.line})" if other.line else ""
                    self._report(
                        (section, name), f'"{name}" is also a name in {seen[name]}{at}', "give one of them another name"
                    )
                seen.setdefault(name, section)

    def _model(self, model: type[Model], entry: Any, trail: Trail) -> Model | None:
        if entry is None:
            entry = {}
        if not isinstance(entry, Mapping) and model in (StageSpec, SinkSpec, AlarmSpec, ServeSpec):
            self._report(trail, f"keys are wanted, and {entry!r} has none", f"write {{{', '.join(_wanted(model))}: …}}")
            return None
        try:
            return model.model_validate(entry)
        except ValidationError as error:
            for detail in error.errors():
                self.problems.append(_explain(self._document, model, trail, detail))
            return _without(model, entry, {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]})


def _without(model: type[Model], entry: Any, faulty: set[str]) -> Model | None:
    """Read an entry without its faulty keys, so that a mistake in one hides none in the others."""
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    kept = (
        {key: value for key, value in entry.items() if key not in faulty and names.get(key) not in faulty}
        if isinstance(entry, Mapping)
        else {}
    )
    try:
        return model.model_validate(kept)
    except ValidationError:  # what is missing now was reported as faulty before
        return None


def _wanted(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items() if field.is_required()]


def _explain(document: Document, model: type[BaseModel], trail: Trail, detail: ErrorDetails) -> Problem:
    """Say one of pydantic's findings in our words."""
    context = detail.get("ctx", {})
    place = _trail(document, trail, (*detail["loc"], *context.get("inner", ())))
    kind, value, key = detail["type"], detail["input"], str(detail["loc"][-1]) if detail["loc"] else ""
    if kind == "thing":
        return document.problem(place, context["text"], context.get("remedy", ""))
    if kind == "extra_forbidden":
        known = _keys_at(model, detail["loc"][:-1])
        return document.problem(place, f'"{key}" is no key here', did_you_mean(key, known))
    if kind == "missing":
        holder = place[:-1] if place and place[-1] == key else place
        return document.problem(holder, f'"{key}" is missing', _how_to_say(key, value))
    return document.problem(place, *_value_trouble(kind, value, context))


def _how_to_say(key: str, entry: Any) -> str:
    """Return the remedy for a missing key: it may be there, misspelt, among the arguments of the thing."""
    written = (
        [*entry, *(entry["use"] if isinstance(entry.get("use"), Mapping) else ())] if isinstance(entry, Mapping) else []
    )
    close = get_close_matches(key, [word for word in written if isinstance(word, str)], n=1, cutoff=0.7)
    return f'write "{key}" instead of "{close[0]}"' if close else f"write {key}: {_CHOICES.get(key, '…')}"


_CHOICES: Final = {"by": "order, key, timestamp or trigger-map"}
"""What a missing key may be, where that is a short list."""


def _value_trouble(kind: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    if kind == "literal_error":
        choices = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        meant = did_you_mean(str(value), choices)
        others = f"{meant} There are {listed(choices, 'and')}" if meant.startswith("did") else meant
        return f"{shown} is not one of the values", others
    if kind in _WANTED:
        hint = (
            "write it without quotes"
            if isinstance(value, str) and kind in ("int_type", "float_type", "bool_type")
            else ""
        )
        return f"{shown} is not {_WANTED[kind]}", hint or f"write {_WANTED[kind]}"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{shown} is not allowed", f"write {words} {context.get(key, '')}".rstrip()
    return f"{shown} is refused: {context.get('error', kind)}", ""


_WANTED: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "dict_type": "a mapping of names to values",
    "list_type": "a list",
    "tuple_type": "a list",
    "model_type": "a mapping of names to values",
    "finite_number": "a finite number",
}
_BOUNDS: Final = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "too_short": ("a list of at least", "min_length"),
}


def _trail(document: Document, trail: Trail, loc: Trail) -> Trail:
    """Return where it stands: pydantic names alternatives of a union too, which nobody wrote."""
    place = trail
    for step in loc:
        if step == "use" and (*place, "use") not in document.places and len(loc) > 1:
            continue
        place = (*place, step)
    return place


def _keys_at(model: type[BaseModel], loc: Trail) -> list[str]:
    from penstock.pipeline.join_by import ByKey, ByOrder, ByTimestamp, ByTriggerMap

    inner: dict[int | str, type[BaseModel]] = {form.kind: form for form in (ByOrder, ByKey, ByTimestamp, ByTriggerMap)}
    if model is StageSpec:
        inner = {"workers": WorkersSpec, "restarts": RestartsSpec}
    here: type[BaseModel] = inner[loc[-1]] if loc and loc[-1] in inner else model
    return [
        field.alias or name
        for name, field in here.model_fields.items()
        if name not in ("map", "inputs", "input") or here is model
    ]
