"""How another process comes to what a pipeline names: an import path, and the object at its end.

It neither calls nor copies anything; what cannot be imported again is refused, never pickled.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from inspect import isclass, isroutine
from pathlib import Path
from types import MethodType
from typing import Any

from penstock.elements.user_modules import find_object
from penstock.errors import CheckError, Problem
from penstock.pipeline.plan import Element, Plan
from penstock.pipeline.registry import KINDS, PlannedTarget

__all__ = ["reference_of", "reference_problems", "resolve"]


def reference_of(element: Element, folder: Path) -> str:
    """Return ``module:object`` for what an element names: another process that resolves it has the same code.

    Parameters
    ----------
    element
        A built-in, an entry point or user code; given by name or in Python.
    folder
        Of the pipeline, where user modules are looked for first.

    Raises
    ------
    CheckError
        With one problem, if there is no such path: it is defined in a notebook cell, a script or a function, or its
        name leads to something else.
    """
    trouble: CheckError | None = None
    for name in _names(element):
        if name.startswith("__main__:") or "<" in name:
            continue
        try:
            if _is_same(resolve(name, folder), element.target):
                return name
        except CheckError as error:
            trouble = error
    raise CheckError([_problem(element)]) from trouble


def reference_problems(plan: Plan) -> tuple[Problem, ...]:
    """Return a problem for each element that another process cannot import."""
    elements = [
        *(source.element for source in plan.sources.values()),
        *(element for stage in plan.stages.values() for element in stage.code),
        *(sink.element for sink in plan.sinks.values()),
    ]
    found: list[Problem] = []
    for element in elements:
        if isinstance(element.target, PlannedTarget):
            continue
        try:
            reference_of(element, Path(plan.folder))
        except CheckError as error:
            found += error.problems
    return tuple(found)


def resolve(reference: str, folder: Path) -> Callable[..., Any]:
    """Return what a reference names.

    Raises
    ------
    CheckError
        With one problem, as ``find_object``.

    Examples
    --------
    >>> resolve("penstock.elements.steps.count:Count", Path()).__name__
    'Count'
    """
    module, _, path = reference.partition(":")
    found: Any
    if module.partition(".")[0] != "penstock":
        found = find_object(reference, folder)
    else:  # never from the folder, whatever lies there
        try:
            found = import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            remedy = "let all processes have the same version of penstock"
            raise CheckError([Problem(where=reference, text=f"it cannot be loaded: {error}", remedy=remedy)]) from error
    target: Callable[..., Any] = found
    return target


def _names(element: Element) -> Iterator[str]:
    """Yield the import paths an element may have, the likeliest first."""
    if ":" in element.name:
        yield element.name
        return
    target = element.target
    if isclass(target) or isroutine(target):
        yield f"{target.__module__}:{target.__qualname__}"
    for kind in KINDS:
        for point in entry_points(group=f"penstock.{kind}", name=element.name):
            yield point.value


def _is_same(found: object, target: object) -> bool:
    # A class's own method is another object each time it is looked up.
    return found is target or (isinstance(found, MethodType) and found == target)


def _problem(element: Element) -> Problem:
    text, remedy = f"{element.name} cannot be imported by that name: {_why(element)}", _REMEDY
    if isinstance(element.target, partial):
        remedy = "give its arguments beside its name, in Python Use(function, name=value)"
    return Problem(where=element.where or element.name, text=text, remedy=remedy, line=element.line)


_REMEDY = "put it in a file beside the pipeline, at the top level; or run inline"


def _why(element: Element) -> str:
    target, (module, _, path) = element.target, element.name.partition(":")
    if isinstance(target, partial):
        return "it is a partial, which has no name"
    if "<lambda>" in path:
        return "it is a lambda, which has no name"
    if "<locals>" in path:
        return "it is defined inside a function"
    if module == "__main__":
        is_script = hasattr(sys.modules["__main__"], "__file__")
        return f"it is defined in {'the script that was started' if is_script else 'a notebook cell or at a prompt'}"
    if not isclass(target) and not isroutine(target):
        return f"it is a {type(target).__name__} made in this process"
    return "it leads nowhere, or to something else"
