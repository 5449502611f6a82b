"""Write SNAP's elements as things of a pipeline file: a name with its arguments, or an object made by ``made``.

Where a name and its arguments would mean something else in a pipeline file than in SNAP's, it is written so that they
do not. It imports what is named, to see what it is, and calls nothing.
"""

import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from penstock.compat.snap.names import HERE, OURS, full_name, module_path
from penstock.compat.snap.process_calls import PATIENCE_S
from penstock.compat.snap.recipe import ARGUMENTS, OBJECT, has_recipes
from penstock.compat.snap.syntax import Reference
from penstock.elements.hooks import method_of, misspelt
from penstock.elements.shape import is_buffer
from penstock.elements.signature import Signature
from penstock.elements.user_modules import find_object
from penstock.errors import CheckError
from penstock.pipeline.spec import SourceSpec
from penstock.pipeline.thing import RESERVED

__all__ = [
    "Lookup",
    "Role",
    "Thing",
    "may_be_buffer",
    "named_step",
    "references_in",
    "thing_of",
    "workers_entry",
    "workers_of",
]

Role = Literal["source", "step"]
_MADE: Final = f"{HERE}:made"
_PARALLEL: Final = "snap.parallel.Parallel"
_WORDS: Final = frozenset({*RESERVED, *SourceSpec.options})


class Lookup(Protocol):
    """Finds the objects of references, and notes what is wrong with them."""

    def find(self, reference: Reference) -> Any:  # whatever it names
        """Return the object; ``None`` if there is none, which is noted."""

    def check_call(self, reference: Reference) -> None:
        """Note what is wrong with the arguments of a call that nobody else looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A name and its arguments, as a pipeline file has them."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def as_step(self) -> Any:
        """As it stands in a list of steps."""
        return {self.name: dict(self.arguments)} if self.arguments else self.name

    @property
    def as_entry(self) -> dict[str, Any]:
        """As it stands beside other keys."""
        return {"use": self.name, **self.arguments}


def thing_of(reference: Reference, role: Role, lookup: Lookup) -> Thing:
    """Return how a reference is written in a pipeline file."""
    path, arguments = module_path(reference.name), reference.arguments
    if full_name(reference.name) == _PARALLEL and isinstance(function := (arguments or {}).get("function"), Reference):
        return _parallel(arguments or {}, function, lookup)
    for inner in references_in(arguments):
        lookup.check_call(inner)
    target = lookup.find(reference)
    # What is not there has been told of already, and nobody is to tell of it again.
    if target is None or not _means_the_same(target, arguments, role):
        given = {} if arguments is None else {ARGUMENTS: _plain(arguments)}
        lookup.check_call(reference)
        return Thing(name=_MADE, arguments={OBJECT: path, **given})
    return Thing(name=path, arguments=dict(arguments or {}))


def workers_of(reference: Reference, lookup: Lookup) -> dict[str, Any] | None:
    """Return the stage that does what ``snap.Parallel`` does in processes; ``None`` of anything else.

    Threads share their function, as SNAP's do; workers of a stage have each a copy. So only processes become workers.
    """
    arguments = reference.arguments or {}
    function = arguments.get("function")
    is_meant = full_name(reference.name) == _PARALLEL and arguments.get("executor") == "process"
    if not is_meant or not isinstance(function, Reference):
        return None
    lookup.check_call(reference)
    return workers_entry(thing_of(function, "step", lookup).as_step, arguments.get("max_workers"))


def workers_entry(step: Any, workers: int | None) -> dict[str, Any]:
    """Return a stage whose processes do a step; by default as many as this machine has processors."""
    return {
        "steps": [step],
        "workers": len(os.sched_getaffinity(0)) if workers is None else workers,
        "run_in": "process",
        "order": "free",
        "deadline_s": PATIENCE_S,
    }


def named_step(name: str, arguments: Mapping[str, Any] | None) -> Any:
    """Return the step that `Recipe` means by ``module:attribute`` and arguments, as it stands in a list of steps."""
    try:
        target = find_object(name, Path(sys.path[0]))
    except CheckError:  # whoever looks for the step tells of it
        return {name: dict(arguments or {})}
    if has_recipes(arguments) or not _means_the_same(target, arguments, "step"):
        given = {} if arguments is None else {ARGUMENTS: dict(arguments)}
        return {_MADE: {OBJECT: name, **given}}
    return {name: dict(arguments)} if arguments else name


def may_be_buffer(reference: Reference, lookup: Lookup) -> bool:
    """Whether others may put items into what a reference names; what is only known when it is made may be."""
    name = full_name(reference.name)
    if name.rpartition(".")[0] in OURS:
        return name == _PARALLEL
    target = lookup.find(reference)
    if inspect.isclass(target) or not inspect.isroutine(target):
        return target is None or is_buffer(target)
    return not (inspect.isasyncgenfunction(target) or inspect.isgeneratorfunction(target))


def _parallel(arguments: Mapping[str, Any], function: Reference, lookup: Lookup) -> Thing:
    """Write the function by name, so that processes can make it again."""
    for inner in [function, *references_in(function.arguments)]:
        lookup.check_call(inner)
    rest = {name: value for name, value in arguments.items() if name != "function"}
    given = {} if function.arguments is None else {ARGUMENTS: _plain(function.arguments)}
    named = {"function": module_path(function.name), **given, **rest}
    return Thing(name=f"{HERE}:Parallel", arguments=named)


def _means_the_same(target: Any, arguments: Mapping[str, Any] | None, role: Role) -> bool:
    """Whether a pipeline file means by a name and arguments what SNAP does: the object itself, or what a call gives."""
    if not callable(target) or _WORDS & {*(arguments or {})} or any(references_in(arguments)):
        return False
    is_class = inspect.isclass(target)
    if role == "source":
        return is_class or inspect.isroutine(target)
    if arguments is None:
        return not is_class and bool(Signature.of(target).items("step", {}))
    if is_class:
        return not _has_hooks(target)
    # A parameter that may change while running cannot reach a function that was made with it.
    return inspect.isroutine(target) and not Signature.of(target).parameter_names


def _has_hooks(kind: type) -> bool:
    """Whether methods of a class would be called here, or taken for misspelt, which SNAP knows nothing of."""
    if kind.__module__.startswith(f"{HERE}."):
        return False
    return any(method_of(kind, name) for name in ("start", "end", "tick", "close")) or any(misspelt("step", kind, ""))


def references_in(value: Any) -> list[Reference]:
    """Return the references that stand in a value, and in their arguments."""
    if isinstance(value, Reference):
        return [value, *references_in(value.arguments)]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [found for each in inner for found in references_in(each)]


def _plain(value: Any) -> Any:
    """Return a value with references as `resolved` reads them."""
    if isinstance(value, Reference):
        given = {} if value.arguments is None else {ARGUMENTS: _plain(value.arguments)}
        return {OBJECT: module_path(value.name), **given}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
