"""Read YAML 1.2 (core schema) safely, and keep the line of everything.

No tag makes an object, no alias blows up, no key counts twice. It knows nothing of pipelines and opens no file.
"""

from collections.abc import Mapping
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from penstock.errors import CheckError, Problem
from penstock.pipeline.document import Place, Trail, dotted
from penstock.pipeline.scalars import resolve
from penstock.pipeline.variables import VariableError, expand
from penstock.pipeline.yaml_trouble import syntax_problems

__all__ = ["read_yaml"]

LONGEST_FILE: Final = 256 * 1024
"""Characters. A pipeline of a hundred stages has some ten thousand."""
MOST_VALUES: Final = 50_000
"""Values of a file after its aliases are followed: what nine lines of aliases of aliases would make are billions."""
DEEPEST: Final = 60
"""Levels of nesting."""

_PLAIN, _QUOTED, _COLLECTION = "plain", "quoted", "collection"


def read_yaml(
    text: str, file: str = "", environ: Mapping[str, str] | None = None
) -> tuple[Any, dict[Trail, Place], list[Problem]]:
    """Read one document.

    Parameters
    ----------
    text
        The file's text.
    file
        Its name, for problems.
    environ
        Variables for ``${NAME}``; by default there are none.

    Returns
    -------
    value
        Mappings, lists and scalars; ``None`` for an empty file.
    places
        Where each key and each item stands.
    problems
        Duplicate keys, tags, unknown variables and such, all at once; the value then lacks what they concern.

    Raises
    ------
    CheckError
        If the text is no YAML, so that there is no value.
    """
    if len(text) > LONGEST_FILE:
        reason = f"the file has {len(text)} characters, more than the {LONGEST_FILE} that are read"
        raise CheckError([Problem(where="", text=reason, remedy="split it with include:", file=file)])
    try:
        node = _compose(text)
    except yaml.YAMLError as error:
        raise CheckError(syntax_problems(text, error, file, _compose)) from error
    except RecursionError:
        raise CheckError([_too_deep(file, 1)]) from None
    builder = _Builder(file, environ or {})
    value = None if node is None else builder.value(node, ())
    return value, builder.places, builder.problems


def _compose(text: str) -> Node | None:
    loader = _Loader(text.removeprefix("\ufeff"))
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Composes nodes whose tag says only how they were written; an explicit tag stays what it is."""

    def resolve(self, kind: type[Node], _value: Any, implicit: Any) -> str:
        if kind is ScalarNode:
            return _PLAIN if implicit[0] else _QUOTED
        return _COLLECTION


def _too_deep(file: str, line: int) -> Problem:
    text = f"nested deeper than {DEEPEST} levels"
    return Problem(where="", text=text, remedy="look for an unclosed [ or {", file=file, line=line)


class _Builder:
    """Makes plain values of nodes, and collects what is wrong with them."""

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self._file = file
        self._environ = environ
        self._open: list[Node] = []
        self._made = 0
        self.places: dict[Trail, Place] = {}
        self.problems: list[Problem] = []

    def value(self, node: Node, trail: Trail) -> Any:
        """Return what a node means; ``None`` where that cannot be said."""
        self.places.setdefault(trail, self._place(node))
        if not self._is_sound(node, trail):
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, trail)
        self._open.append(node)
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, trail)
            return [self.value(item, (*trail, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.pop()

    def _place(self, node: Node) -> Place:
        return Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _report(self, node: Node, trail: Trail, text: str, remedy: str = "") -> None:
        self.problems.append(
            Problem(where=dotted(trail), text=text, remedy=remedy, file=self._file, line=self._place(node).line)
        )

    def _is_sound(self, node: Node, trail: Trail) -> bool:
        self._made += 1
        if self._made > MOST_VALUES:
            if self._made == MOST_VALUES + 1:
                self._report(node, trail, f"its aliases make more than {MOST_VALUES} values", "repeat less")
            return False
        if any(node is parent for parent in self._open):
            self._report(
                node, trail, "an alias stands inside what it names, so it would never end", "name a part of it"
            )
            return False
        if len(self._open) >= DEEPEST:
            self.problems.append(_too_deep(self._file, self._place(node).line))
            return False
        if node.tag not in {_PLAIN, _QUOTED, _COLLECTION}:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._report(
                node, trail, f"the tag {tag} is not read", "write the value without a tag, in quotes if it is text"
            )
            return False
        return True

    def _scalar(self, node: ScalarNode, trail: Trail) -> Any:
        try:
            text = expand(node.value, self._environ)
            # A plain ${N} is typed by what it holds, exactly as if it had been written there; quotes keep text text.
            return resolve(text) if node.tag == _PLAIN else text
        except VariableError as trouble:
            self._report(node, trail, str(trouble), trouble.remedy)
        except ValueError as error:
            self._report(node, trail, str(error))
        return None

    def _mapping(self, node: MappingNode, trail: Trail) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _PLAIN and key_node.value == "<<":
                merged.append(value_node)
                continue
            known, key = self._key(key_node, trail)
            if not known:
                continue
            line = key_node.start_mark.line + 1
            if key in found:
                remedy = f"it also stands in line {lines[key]}; keep one of them"
                self._report(key_node, (*trail, key), f'the key "{key}" is written twice', remedy)
                continue
            lines[key] = line
            self.places[(*trail, key)] = Place(self._file, line, key_node.start_mark.column + 1)
            found[key] = self.value(value_node, (*trail, key))
        for value_node in merged:
            self._merge(found, value_node, trail)
        return found

    def _key(self, node: Node, trail: Trail) -> tuple[bool, Any]:
        if not isinstance(node, ScalarNode):
            self._report(node, trail, "a key must be one word, not a list or a mapping", 'quote it: "{run}": …')
            return False, None
        if node.tag not in {_PLAIN, _QUOTED}:
            self._report(node, trail, f"the tag {node.tag} is not read", "write the key without a tag")
            return False, None
        if "${" in node.value:
            self._report(
                node, trail, f'a variable stands in the key "{node.value}"', "variables are expanded in values only"
            )
            return False, None
        try:
            return True, resolve(node.value) if node.tag == _PLAIN else node.value
        except ValueError as error:
            self._report(node, trail, str(error))
            return False, None

    def _merge(self, found: dict[Any, Any], node: Node, trail: Trail) -> None:
        """Add what a ``<<`` names; what is written beside it wins, then the earlier of several."""
        parts = node.value if isinstance(node, SequenceNode) else [node]
        for part in parts:
            if not isinstance(part, MappingNode):
                self._report(node, (*trail, "<<"), "<< takes a mapping or a list of them", "write <<: *anchor")
                continue
            hidden: dict[Trail, Place] = {}
            outer, self.places = self.places, hidden
            try:
                extra = self.value(part, trail)
            finally:
                self.places = outer
            for key, value in (extra or {}).items():
                if key in found:
                    continue
                found[key] = value
                start = (*trail, key)
                self.places.update({at: place for at, place in hidden.items() if at[: len(start)] == start})
