"""Write plain values as YAML that reads back as the same values, with comments where they help.

It writes no anchors, no tags and no variables: what it writes means the same everywhere.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Trail, dotted
from penstock.pipeline.scalars import resolve

__all__ = ["Note", "shown", "write_yaml"]

_SAFE = re.compile(r"[A-Za-z_./~][\w./~+:-]*( [\w./~+()<>=-]+)*")
"""Texts that stand without quotes everywhere, also between brackets."""
_LONGEST_LINE = 100


@dataclass(frozen=True, slots=True)
class Note:
    """A comment, as a value: its key is only there to be different from others."""

    text: str


def write_yaml(tree: Mapping[Any, Any]) -> str:
    """Return a mapping as YAML.

    Raises
    ------
    CheckError
        If it holds something that YAML cannot say.

    Examples
    --------
    >>> print(write_yaml({"a": {"b": [1, "on", "true"], "c": 0.001}}), end="")
    a:
      b: [1, on, "true"]
      c: 0.001
    """
    return "".join(f"{line}\n" for line in _mapping(tree, 0, ()))


def shown(value: Any) -> str:  # Any: a default of anybody's function
    """Return a value as one line for people: YAML where that can say it."""
    try:
        return _flat(value, (), 0) or repr(value)
    except CheckError:
        return repr(value)


def _mapping(tree: Mapping[Any, Any], depth: int, trail: Trail) -> Iterator[str]:
    indent = "  " * depth
    for key, value in tree.items():
        if isinstance(value, Note):
            yield f"{indent}# {value.text}"
            continue
        here = (*trail, key)
        head = f"{indent}{_key(key, here)}:"
        if flat := _flat(value, here, len(head)):
            yield f"{head} {flat}"
            continue
        yield head
        yield from _mapping(value, depth + 1, here) if isinstance(value, Mapping) else _items(value, depth + 1, here)


def _items(items: Any, depth: int, trail: Trail) -> Iterator[str]:
    indent = "  " * depth
    for index, item in enumerate(items):
        here = (*trail, index)
        if flat := _flat(item, here, len(indent) + 2):
            yield f"{indent}- {flat}"
            continue
        lines = _mapping(item, 0, here) if isinstance(item, Mapping) else _items(item, 0, here)
        for number, line in enumerate(lines):
            yield f"{indent}{'  ' if number else '- '}{line}"


def _flat(value: Any, trail: Trail, before: int) -> str:
    """Return a value on one line, or nothing if it wants several."""
    if isinstance(value, Mapping):
        return "" if value else "{}"
    if isinstance(value, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) for item in value):
            return ""
        line = f"[{', '.join(_scalar(item, (*trail, index)) for index, item in enumerate(value))}]"
        return line if len(line) + before <= _LONGEST_LINE or not value else ""
    return _scalar(value, trail)


def _key(key: Any, trail: Trail) -> str:
    if isinstance(key, str) and "${" in key:
        raise _cannot(key, trail)
    return _scalar(key, trail)


def _scalar(value: Any, trail: Trail) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if type(value) is float:
        if math.isfinite(value):
            return repr(value)
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if type(value) is str:
        return _text(value)
    raise _cannot(value, trail)


def _text(text: str) -> str:
    if _SAFE.fullmatch(text) and not text.endswith(":") and ": " not in text and _is_text(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False).replace("${", "$${")
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted)


def _is_text(text: str) -> bool:
    try:
        return resolve(text) == text
    except ValueError:
        return False


def _cannot(value: Any, trail: Trail) -> CheckError:
    text = f"{value!r} cannot be written in a file"
    return CheckError([Problem(where=dotted(trail), text=text, remedy="use numbers, text, lists and mappings")])
