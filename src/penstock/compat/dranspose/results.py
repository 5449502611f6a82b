"""The results that dranspose's older viewers ask for: a JSONPath into what is published, and a slice of each match."""

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from penstock.errors import SelectionError
from penstock.extra import extra
from penstock.views import ArrayView

__all__ = ["find_results", "plain_tree"]

_SLICED: Final = re.compile(r"^(?P<path>.*?)\.?`numpy\((?P<slices>[^`]*)\)`$", re.DOTALL)
_SLICE: Final = re.compile(r"^(-?\d*):(-?\d*)(?::(-?\d*))?$")


def find_results(tree: Mapping[str, Any], path: str) -> list[Any]:
    """Return what a path finds.

    Parameters
    ----------
    tree
        What is published.
    path
        JSONPath, behind which ``.`numpy(2:3, ..., 5)``` may give the part of each array that is wanted.

    Raises
    ------
    SelectionError
        If it is no path, or a match has no such part.

    Examples
    --------
    >>> find_results({"map": {"x": np.arange(5)}}, "map.x.`numpy(1:3)`")
    [array([1, 2])]
    """
    with extra("dranspose"):
        from jsonpath_ng.exceptions import JSONPathError
        from jsonpath_ng.ext.parser import parse

    sliced = _SLICED.match(path)
    try:
        expression = parse(sliced["path"] if sliced else path)
        found = [match.value for match in expression.find(tree)]
    except (JSONPathError, RecursionError) as error:
        raise SelectionError(f"{path[:200]!r} is no JSONPath: {error}") from error
    if not sliced:
        return found
    index = _index(sliced["slices"])
    try:
        return [np.asarray(value)[index] for value in found]
    except (IndexError, ValueError) as error:
        raise SelectionError(f"numpy({sliced['slices']}): {error}") from error


def plain_tree(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return published views as dictionaries of arrays and plain values."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found[name] = plain_tree(value)
        else:
            found[name] = value.array if isinstance(value, ArrayView) else value
    return found


def _index(text: str) -> tuple[Any, ...]:
    return tuple(_one(word.strip()) for word in text.split(","))


def _one(word: str) -> Any:  # an int, a slice or an ellipsis
    if word == "...":
        return ...
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    if (found := _SLICE.match(word)) is not None:
        return slice(*(int(number) if number else None for number in found.groups()))
    raise SelectionError(f"{word!r} selects nothing; write numbers, slices as 2:3, or ... between commas")
