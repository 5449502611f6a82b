"""Describe what a name stands for: what it does, what it takes, what can be detected; as plain values."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from penstock.core.decoder import Traits
from penstock.core.parameter import Parameter
from penstock.core.suggest import did_you_mean
from penstock.elements.signature import Signature
from penstock.elements.sink import Sink
from penstock.elements.source import Source
from penstock.elements.user_code import parameters_of
from penstock.errors import CheckError, Problem
from penstock.pipeline.registry import KINDS, Found, PlannedTarget, Registry
from penstock.pipeline.yaml_writer import shown

__all__ = ["describe"]

_ONE: Final = {"sources": "source", "steps": "step", "workers": "worker", "reducers": "reducer", "sinks": "sink"}


def describe(name: str, folder: Path = Path()) -> list[dict[str, Any]]:
    """Return one entry for each kind of thing that has a name.

    Raises
    ------
    CheckError
        If nothing has it.
    """
    registry = Registry(folder)
    if ":" in name:
        return [_entry("code", registry.find("steps", name))]
    kinds = [kind for kind in KINDS if any(known.name == name for known in registry.known(kind))]
    if not kinds:
        names = [known.name for kind in KINDS for known in registry.known(kind)]
        remedy = did_you_mean(name, names, otherwise="see `penstock list`")
        raise CheckError([Problem(where=name, text="nothing has this name", remedy=remedy)])
    return [_entry(_ONE[kind], registry.find(kind, name)) for kind in kinds]


def _entry(kind: str, found: Found) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": found.name,
        "kind": kind,
        "planned": False,
        "doc": "",
        "arguments": [],
        "parameters": [],
        "traits": [],
    }
    if isinstance(found.target, PlannedTarget):
        return entry | {"planned": True, "doc": f"It will be: {found.planned}."}
    target = found.target
    is_code = not (inspect.isclass(target) and issubclass(target, Source | Sink))
    entry["doc"] = inspect.getdoc(target) or ""
    entry["parameters"] = list(_parameters(target)) if is_code else []
    taken = {parameter["name"] for parameter in entry["parameters"]}
    entry["arguments"] = [argument for argument in _arguments(target) if argument["name"] not in taken]
    if inspect.isclass(target) and issubclass(target, Source):
        # Of a recording, the traits are those of what was recorded: a property, known when the file is open.
        traits: object = target.traits
        entry["traits"] = list(_traits(traits)) if isinstance(traits, Traits) and traits is not Source.traits else []
    return entry


def _arguments(target: Any) -> Iterator[dict[str, str]]:  # any class or function
    signature = Signature.of(target)
    for name, argument in signature.given.items():
        if name == "context" or argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            continue
        if declared := signature.declared(name):
            yield _declared(declared)
            continue
        annotation = "" if argument.annotation is argument.empty else inspect.formatannotation(argument.annotation)
        default = "" if argument.default is argument.empty else shown(argument.default)
        yield {"name": name, "type": annotation.strip("'"), "default": default, "unit": "", "limits": "", "doc": ""}


def _parameters(target: Any) -> Iterator[dict[str, str]]:
    yield from map(_declared, parameters_of(target))


def _declared(parameter: Parameter) -> dict[str, str]:
    """Return what an annotation says; an argument that is required has no default."""
    limits = str(parameter.bounds) if parameter.bounds else ""
    if parameter.choices:
        limits = "one of " + ", ".join(map(str, parameter.choices))
    return {
        "name": parameter.name,
        "type": inspect.formatannotation(parameter.type),
        "default": "" if parameter.default is inspect.Parameter.empty else shown(parameter.default),
        "unit": parameter.unit,
        "section": parameter.section,
        "limits": limits,
        "doc": parameter.doc,
    }


def _traits(traits: Traits) -> Iterator[str]:
    if traits.number:
        yield f'it numbers them ("{traits.number}"): what is lost, doubled or out of order is seen'
    else:
        yield "it does not number them: a lost message shifts all that follow"
    yield f'it dates them ("{traits.clock}")' if traits.clock else "they are dated when they are received"
    said = [word for word, is_said in (("before", traits.has_start), ("after", traits.has_end)) if is_said]
    yield (
        f"it says something {' and '.join(said)} the data of a scan"
        if said
        else "it does not say where a scan begins or ends"
    )
    if traits.pickled:
        yield "its bytes hold pickles, which are read by an allow-list"
