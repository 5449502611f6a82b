"""Compose a SNAP file's YAML and make plain values of it, with the line of everything and nothing unsafe.

It is YAML 1.1, as SNAP's users know it: ``yes`` is true, ``010`` is eight. Tags make references and never run code.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from penstock.compat.snap.syntax import Reference
from penstock.errors import CheckError, Problem
from penstock.extra import extra
from penstock.pipeline.document import Place, Trail, dotted
from penstock.pipeline.yaml import DEEPEST, LONGEST_FILE, MOST_VALUES
from penstock.pipeline.yaml_trouble import syntax_problems

with extra("run"):
    import yaml
    from yaml.constructor import SafeConstructor
    from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["Values", "compose", "expand", "variables_in", "without_variables"]

_MAP, _SEQ, _MERGE = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:merge"
_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "binary", "timestamp", "value")
)
_VARIABLE: Final = re.compile(r"\$(\w+|\{[^}]*\})", re.ASCII)
_OBJECT: Final = "!obj:"
_OLD_OBJECT: Final = "obj@"


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace ``$NAME`` and ``${NAME}`` anywhere in a text; what is not set stays as it is.

    >>> expand("id: ${DETECTOR}, $HERE", {"DETECTOR": "det1"})
    'id: det1, $HERE'
    """
    return _VARIABLE.sub(lambda found: environ.get(found[1].strip("{}"), found[0]), text)


def variables_in(text: str) -> set[str]:
    """Return the names of the variables in a text."""
    return {found.strip("{}") for found in _VARIABLE.findall(text)}


def without_variables(text: str) -> str:
    """Return a text with a word for each variable, for whoever looks at its structure only."""
    return _VARIABLE.sub("x", text)


def compose(text: str, file: str) -> Node | None:
    """Return the tree of a file; ``None`` of an empty one.

    Raises
    ------
    CheckError
        If it is no YAML, or too long.
    """
    if len(text) > LONGEST_FILE:
        reason = f"the file has {len(text)} characters, more than the {LONGEST_FILE} that are read"
        raise CheckError([Problem(where="", text=reason, remedy="make a file of each node", file=file)])
    try:
        return _composed(text)
    except yaml.YAMLError as error:
        raise CheckError(syntax_problems(text, error, file, _composed)) from error
    except RecursionError:
        reason = f"nested deeper than {DEEPEST} levels"
        raise CheckError([Problem(where="", text=reason, remedy="look for an unclosed [ or {", file=file)]) from None


def _composed(text: str) -> Node | None:
    loader = yaml.SafeLoader(text.removeprefix("\ufeff"))
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


class Values:
    """Makes values of a file's nodes, and collects what is wrong with them.

    Parameters
    ----------
    file
        Its name, for problems.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._scalars = SafeConstructor()
        self._open: list[Node] = []
        self._made = 0

    def place(self, node: Node) -> Place:
        """Return where a node stands."""
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def report(self, node: Node, trail: Trail, text: str, remedy: str = "") -> None:
        """Note a problem."""
        line = self.place(node).line
        self.problems.append(Problem(where=dotted(trail), text=text, remedy=remedy, file=self.file, line=line))

    def pairs(self, node: MappingNode, trail: Trail) -> dict[Any, tuple[Node, Node]]:
        """Return the entries of a mapping by key, those of ``<<`` included: (node of the key, node of the value).

        What is written beside a ``<<`` wins over what it brings, then the earlier of several.
        """
        found: dict[Any, tuple[Node, Node]] = {}
        merged: list[Node] = []
        if not self._enter(node, trail):
            return found
        try:
            for key_node, value_node in node.value:
                if key_node.tag == _MERGE:
                    merged.append(value_node)
                    continue
                if not isinstance(key_node, ScalarNode):
                    self.report(key_node, trail, "a key must be one word, not a list or a mapping")
                    continue
                key = key_node.value if key_node.tag.startswith("!") else self.value(key_node, trail)
                if key in found:
                    line = self.place(found[key][0]).line
                    remedy = f"it also stands in line {line}; keep one of them"
                    self.report(key_node, (*trail, key), f'the key "{key}" is written twice', remedy)
                    continue
                found[key] = (key_node, value_node)
            for each in merged:
                for part in each.value if isinstance(each, SequenceNode) else [each]:
                    self._merge(found, part, trail)
        finally:
            self._open.pop()
        return found

    def _merge(self, found: dict[Any, tuple[Node, Node]], part: Node, trail: Trail) -> None:
        if not isinstance(part, MappingNode):
            self.report(part, (*trail, "<<"), "<< takes a mapping or a list of them", "write <<: *anchor")
            return
        for key, pair in self.pairs(part, trail).items():
            found.setdefault(key, pair)

    def items(self, node: SequenceNode, trail: Trail) -> list[Node]:
        """Return the nodes of a list."""
        if not self._enter(node, trail):
            return []
        self._open.pop()
        return list(node.value)

    def value(self, node: Node, trail: Trail, *, has_old_objects: bool = False) -> Any:
        """Return what a node means: scalars, lists, mappings, and a `Reference` for an object that is to be made.

        Parameters
        ----------
        node
            Of the tree.
        trail
            Its place, for problems.
        has_old_objects
            Whether ``obj@module.attribute`` names an object, as in version 1.
        """
        if node.tag.startswith(_OBJECT):
            return self._object(node, trail, has_old_objects=has_old_objects)
        if isinstance(node, ScalarNode):
            return self._scalar(node, trail, has_old_objects=has_old_objects)
        if node.tag not in (_MAP, _SEQ):
            self._refuse(node, trail)
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, trail, has_old_objects=has_old_objects)
        if not self._enter(node, trail):
            return None
        try:
            return [
                self.value(item, (*trail, index), has_old_objects=has_old_objects)
                for index, item in enumerate(node.value)
            ]
        finally:
            self._open.pop()

    def arguments(self, node: Node, trail: Trail, *, has_old_objects: bool = False) -> dict[str, Any]:
        """Return the arguments of a call; nothing written means none."""
        if isinstance(node, ScalarNode) and not node.value:
            return {}
        if not isinstance(node, MappingNode) or node.tag != _MAP:
            self.report(node, trail, "arguments are wanted by name", "write {name: value}, or {} for none")
            return {}
        found = self._plain_mapping(node, trail, has_old_objects=has_old_objects)
        for name in list(found):
            if not isinstance(name, str) or not name.isidentifier():
                self.report(node, (*trail, name), f"{name!r} cannot be the name of an argument", "write a word")
                del found[name]
        return found

    def _object(self, node: Node, trail: Trail, *, has_old_objects: bool) -> Reference:
        arguments = self.arguments(
            node if isinstance(node, ScalarNode) else _untagged(node), trail, has_old_objects=has_old_objects
        )
        return Reference(name=node.tag.removeprefix(_OBJECT), arguments=arguments, place=self.place(node))

    def _mapping(self, node: MappingNode, trail: Trail, *, has_old_objects: bool) -> Any:
        if has_old_objects and len(node.value) == 1 and str(node.value[0][0].value).startswith(_OLD_OBJECT):
            key, inner = node.value[0]
            arguments = self.arguments(inner, (*trail, key.value), has_old_objects=True)
            return Reference(name=key.value.removeprefix(_OLD_OBJECT), arguments=arguments, place=self.place(key))
        return self._plain_mapping(node, trail, has_old_objects=has_old_objects)

    def _plain_mapping(self, node: MappingNode, trail: Trail, *, has_old_objects: bool) -> dict[Any, Any]:
        pairs = self.pairs(node, trail)
        self._open.append(node)
        try:
            return {
                key: self.value(inner, (*trail, key), has_old_objects=has_old_objects)
                for key, (_, inner) in pairs.items()
            }
        finally:
            self._open.pop()

    def _scalar(self, node: ScalarNode, trail: Trail, *, has_old_objects: bool) -> Any:
        self._count(node, trail)
        if node.tag not in _PLAIN_TAGS:
            self._refuse(node, trail)
            return None
        if has_old_objects and node.value.startswith(_OLD_OBJECT):
            return Reference(name=node.value.removeprefix(_OLD_OBJECT), place=self.place(node))
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, ArithmeticError) as error:
            self.report(node, trail, f"{node.value!r} cannot be read: {str(error).splitlines()[0]}", "put it in quotes")
            return None

    def _refuse(self, node: Node, trail: Trail) -> None:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        remedy = "write !obj:module.attribute {…} for an object" if tag.startswith("!!") else "write the value without"
        self.report(node, trail, f"the tag {tag} is not read", remedy)

    def _enter(self, node: Node, trail: Trail) -> bool:
        """Open a collection, unless it has no end; the caller closes it."""
        if any(node is parent for parent in self._open):
            self.report(node, trail, "an alias stands inside what it names, so it would never end")
            return False
        if len(self._open) >= DEEPEST:
            self.report(node, trail, f"nested deeper than {DEEPEST} levels", "look for an unclosed [ or {")
            return False
        if not self._count(node, trail):
            return False
        self._open.append(node)
        return True

    def _count(self, node: Node, trail: Trail) -> bool:
        self._made += 1
        if self._made == MOST_VALUES + 1:
            self.report(node, trail, f"its aliases make more than {MOST_VALUES} values", "repeat less")
        return self._made <= MOST_VALUES


def _untagged(node: Node) -> Node:
    if isinstance(node, MappingNode):
        return MappingNode(_MAP, node.value, node.start_mark, node.end_mark)
    return node
