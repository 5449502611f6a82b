"""Objects by name: made with other objects among their arguments, or taken as they are.

A pipeline file names code and gives it plain values. Where SNAP's files give it objects, or name an object that is used
as it is although it could be called, the file says ``{penstock.compat.snap:made: {object: module:attribute, …}}``.
"""

import importlib
import inspect
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from penstock.compat.snap.namespace import serve_snap
from penstock.elements.shape import is_buffer

__all__ = ["ARGUMENTS", "OBJECT", "Recipe", "has_recipes", "made", "recipe_of", "resolved"]

OBJECT: Final = "object"
ARGUMENTS: Final = "arguments"
"""The words that tell an object from a plain mapping."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an object is had, in this process or another."""

    name: str
    """``module:attribute``."""
    arguments: Mapping[str, Any] | None = None
    """What it is called with; ``None``: it is not called."""

    def object(self) -> Any:  # whatever it names
        """Import the object, and call it if there are arguments."""
        serve_snap()
        module, _, path = self.name.partition(":")
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        if self.arguments is None:
            return found
        return found(**{name: resolved(value) for name, value in self.arguments.items()})


def recipe_of(value: Any) -> Recipe | None:
    """Return the recipe that a plain value stands for; ``None`` if it is a value like any other."""
    if not isinstance(value, Mapping) or not value.keys() <= {OBJECT, ARGUMENTS}:
        return None
    name, arguments = value.get(OBJECT), value.get(ARGUMENTS)
    if not isinstance(name, str) or ":" not in name:
        return None
    return Recipe(name, arguments)


def resolved(value: Any) -> Any:
    """Return a plain value with the objects that stand in it made.

    >>> resolved({"how": {"object": "math:floor"}, "n": [1, 2]})
    {'how': <built-in function floor>, 'n': [1, 2]}
    """
    if recipe := recipe_of(value):
        return recipe.object()
    if isinstance(value, Mapping):
        return {key: resolved(inner) for key, inner in value.items()}
    return [resolved(inner) for inner in value] if isinstance(value, list) else value


def has_recipes(value: Any) -> bool:
    """Whether objects stand in a plain value."""
    if isinstance(value, Mapping):
        return recipe_of(value) is not None or any(map(has_recipes, value.values()))
    return isinstance(value, list) and any(map(has_recipes, value))


def made(object: str, arguments: Mapping[str, Any] | None = None) -> Any:  # noqa: A002 - the word of the file
    """Make a step or a source of an object that is named.

    Parameters
    ----------
    object
        ``module:attribute``.
    arguments
        What it is called with, by name; among them ``{object: …, arguments: …}`` stands for another object. Without
        them the object itself is taken, and a class is called with each item.

    Examples
    --------
    >>> made("builtins:float")("0.5")
    0.5
    """
    found = Recipe(object, arguments).object()
    if inspect.isclass(found):
        return _called_with_items(found)
    if callable(found) and not inspect.isroutine(found) and not isinstance(found, partial):
        return found.__call__  # without methods that a pipeline would call, as it would those of its own steps
    if isinstance(found, AsyncIterator | Iterator) or callable(found):
        return found
    if is_buffer(found):
        return _without_hooks(found)
    # A list would be taken for the first item of a source.
    return iter(found) if isinstance(found, Iterable) else found


def _without_hooks(buffer: Any) -> Any:
    """Return a buffer that is only put to and got from; SNAP calls no ``close``."""
    methods = {name: getattr(buffer, name, None) for name in ("put", "get", "end", "empty", "full")}
    return type("Buffer", (), {name: staticmethod(found) for name, found in methods.items() if callable(found)})()


def _called_with_items(kind: type) -> Any:
    def call(item: Any) -> Any:
        return kind(item)

    return call
