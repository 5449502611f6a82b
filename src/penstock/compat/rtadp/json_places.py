"""JSON with the line of everything in it, for errors that say where; and without keys that stand twice.

It knows nothing of what the values mean.
"""

import json
import re
from typing import Any, Final

from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Place, Trail

__all__ = ["parse"]

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def parse(text: str, file: str) -> tuple[Any, dict[Trail, Place]]:
    r"""Return the value of a JSON text, and where each of its parts stands.

    Raises
    ------
    CheckError
        If it is no JSON, or a key stands twice.

    Examples
    --------
    >>> value, places = parse('[\n {"a": 1}\n]', "config.json")
    >>> value, places[(0, "a")].line
    ([{'a': 1}], 2)
    """
    text = text.removeprefix("\ufeff")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        problem = Problem(where="", text=f"no JSON: {error.msg}", remedy=_remedy(error), file=file, line=error.lineno)
        raise CheckError([problem]) from error
    except RecursionError:
        remedy = "look for brackets that are never closed"
        raise CheckError([Problem(where="", text="nested too deeply", remedy=remedy, file=file)]) from None
    return value, _places(text, file)


def _remedy(error: json.JSONDecodeError) -> str:
    if "property name" in error.msg or "Expecting value" in error.msg:
        return f"look at column {error.colno}: often a comma too many, or a comment, which JSON has not"
    return f"look at column {error.colno}"


def _places(text: str, file: str) -> dict[Trail, Place]:
    """Walk through the tokens of a text that is known to be JSON."""
    places: dict[Trail, Place] = {}
    problems: list[Problem] = []
    trail: list[Any] = []  # of open brackets: the key or the index at which each is
    line, at = 1, 0
    is_key = False
    for found in _TOKEN.finditer(text):
        line += text.count("\n", at, found.start())
        at = found.start()
        token = found[0]
        place = Place(file, line, at - text.rfind("\n", 0, at))
        if token in "]}":
            trail.pop()
            is_key = False
        elif token == ",":
            if isinstance(trail[-1], int):
                trail[-1] += 1
            else:
                is_key = True
        elif token == ":":
            is_key = False
        elif is_key:
            trail[-1] = json.loads(token)
            if tuple(trail) in places:
                text_ = f'"{trail[-1]}" stands twice'
                problems.append(Problem(where=str(trail[-1]), text=text_, remedy="leave one out", file=file, line=line))
            places[tuple(trail)] = place
        else:
            places.setdefault(tuple(trail), place)
            if token in "[{":
                trail.append(0 if token == "[" else "")
                is_key = token == "{"
    if problems:
        raise CheckError(problems)
    return places
