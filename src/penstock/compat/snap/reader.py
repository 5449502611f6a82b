"""Read a SNAP file: which nodes it has, and the chains of one of them, in whichever of the two grammars it is written.

Every mistake of the node is found at once. What other nodes hold is not looked at, and no name is looked up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.compat.snap.syntax import Chain, Node, Receive, Reference, Send
from penstock.compat.snap.values import Values, compose, expand, without_variables
from penstock.core.suggest import did_you_mean, listed
from penstock.errors import CheckError, Problem
from penstock.extra import extra
from penstock.pipeline.document import Trail

with extra("run"):
    from yaml.nodes import MappingNode, ScalarNode, SequenceNode
    from yaml.nodes import Node as YamlNode

__all__ = ["DEFAULT_NODE", "SnapFile", "is_address", "is_snap", "read_snap"]

DEFAULT_NODE: Final = "node"
"""The node that SNAP runs when none is named."""
_NODE, _CHAIN, _FROM, _TO = "!Node", "!chain", "!from", "!to"
_CHAIN_KEYS: Final = ("source", "steps", "to")
_LOGGING: Final = "logging"


@dataclass(slots=True)
class SnapFile:
    """A file whose nodes can be read one by one."""

    file: str
    nodes: Mapping[str, YamlNode]
    """Those that look like nodes, by key."""
    logging: YamlNode | None = None
    """Of version 1: what ``logging.config.dictConfig`` takes."""
    problems: list[Problem] = field(default_factory=list)

    def read(self, name: str = "") -> Node:
        """Return a node.

        Parameters
        ----------
        name
            Its key; by default ``node``, or the only one there is.

        Raises
        ------
        CheckError
            With every mistake in it, or if there is none of that name.
        """
        key = name or self._default()
        if key not in self.nodes:
            text = f'there is no node "{key}"' if self.nodes else "there is no node in this file"
            remedy = did_you_mean(key, self.nodes) if self.nodes else "write NAME: !Node [!chain [...]]"
            raise CheckError([Problem(where=key, text=text, remedy=remedy, file=self.file)])
        values = Values(self.file)
        written = self.nodes[key]
        reader = _Version2(values) if _is_version_2(written) else _Version1(values)
        node = reader.node(key, written)
        if found := [*self.problems, *values.problems]:
            raise CheckError(found)
        return node

    def log_settings(self) -> Any:
        """Return what stands under ``logging`` in a file of version 1, as plain values; ``None`` if nothing does."""
        if self.logging is None:
            return None
        values = Values(self.file)
        settings = values.value(self.logging, (_LOGGING,))
        if values.problems:
            raise CheckError(values.problems)
        return settings

    def _default(self) -> str:
        if DEFAULT_NODE in self.nodes or len(self.nodes) != 1:
            return DEFAULT_NODE
        return next(iter(self.nodes))


def is_address(text: str) -> bool:
    """Whether something is the address of a socket or a broker, not a name."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.isalpha()


def is_snap(text: str) -> bool:
    """Whether a text is a SNAP file, of either version, rather than a pipeline file; of broken YAML it is false."""
    try:
        tree = compose(without_variables(text), "")
    except CheckError:
        return False
    return isinstance(tree, MappingNode) and bool(_nodes(tree))


def read_snap(text: str, file: str, environ: Mapping[str, str] | None = None) -> SnapFile:
    """Read a file as far as needed to know its nodes.

    Parameters
    ----------
    text
        Of the file.
    file
        Its name, for problems.
    environ
        Variables that are filled in wherever they stand; by default none.

    Raises
    ------
    CheckError
        If it is no YAML, or not a mapping of names to nodes.

    Examples
    --------
    >>> snap = read_snap("node: !Node [!chain:a [!from numbers.walk: {}, !to b], !chain:b [numbers.show]]", "a.yml")
    >>> [chain.name for chain in snap.read("node").chains]
    ['a', 'b']
    """
    tree = compose(expand(text, environ or {}), file)
    if not isinstance(tree, MappingNode):
        reason = "a SNAP file is a mapping of names to nodes"
        raise CheckError([Problem(where="", text=reason, remedy="write node: !Node [...]", file=file, line=1)])
    values = Values(file)
    pairs = values.pairs(tree, ())
    logging = pairs.get(_LOGGING)
    return SnapFile(
        file=file,
        nodes=_nodes(tree),
        logging=logging[1] if logging and not _is_version_2(logging[1]) else None,
        problems=[problem for problem in values.problems if "twice" in problem.text],
    )


def _nodes(tree: MappingNode) -> dict[str, YamlNode]:
    return {
        str(key.value): written
        for key, written in tree.value
        if isinstance(key, ScalarNode) and (_is_version_2(written) or _is_version_1(written))
    }


def _is_version_2(written: YamlNode) -> bool:
    return written.tag == _NODE or written.tag.startswith(f"{_NODE}:")


def _is_version_1(written: YamlNode) -> bool:
    """Whether something is a mapping of which each value is a chain, or wants to be one."""
    if not isinstance(written, MappingNode) or written.tag.startswith("!"):
        return False
    keys = [_keys(chain) if isinstance(chain, MappingNode) else {"from"} for _, chain in written.value]
    return any(keys) and not any("from" in each or (each and not each & {*_CHAIN_KEYS}) for each in keys)


def _keys(chain: MappingNode) -> set[str]:
    """Return the keys of a mapping, those of what it merges included."""
    found: set[str] = set()
    for key, value in chain.value:
        if isinstance(key, ScalarNode) and key.value != "<<":
            found.add(key.value)
        elif isinstance(value, MappingNode) and value is not chain:
            found |= {inner.value for inner, _ in value.value if isinstance(inner, ScalarNode)}
    return found


class _Version1:
    """Nodes as plain mappings: ``NODE: {CHAIN: {source: …, steps: […], to: …}}``."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def node(self, name: str, written: YamlNode) -> Node:
        assert isinstance(written, MappingNode), "of version 1 is only what is a mapping"
        pairs = self._values.pairs(written, (name,))
        chains = [self._chain(str(key), inner, (name, str(key))) for key, (_, inner) in pairs.items()]
        return Node(name=name, grammar="v1", chains=tuple(chains), place=self._values.place(written))

    def _chain(self, name: str, written: YamlNode, trail: Trail) -> Chain:
        assert isinstance(written, MappingNode), "of version 1 is only what consists of mappings"
        pairs = self._values.pairs(written, trail)
        for key, (key_node, _) in pairs.items():
            if key not in _CHAIN_KEYS:
                remedy = did_you_mean(str(key), _CHAIN_KEYS)
                self._values.report(key_node, (*trail, key), f'"{key}" is no part of a chain', remedy)
        given = {str(key): inner for key, (_, inner) in pairs.items()}
        source = self._element(given["source"], (*trail, "source")) if "source" in given else None
        steps: list[Reference | Send] = list(self._steps(given.get("steps"), (*trail, "steps")))
        if "to" in given:
            steps.append(_send(self._values, given["to"], (*trail, "to")))
        return Chain(name=name, source=source, elements=tuple(steps), place=self._values.place(written))

    def _steps(self, written: YamlNode | None, trail: Trail) -> list[Reference]:
        if written is None:
            return []
        if not isinstance(written, SequenceNode):
            self._values.report(written, trail, "a list of steps is wanted", "write steps: [module.function]")
            return []
        found = [self._element(item, (*trail, index)) for index, item in enumerate(written.value)]
        return [element for element in found if element is not None]

    def _element(self, written: YamlNode, trail: Trail) -> Reference | None:
        return _element(self._values, written, trail, has_old_objects=True)


class _Version2:
    """Nodes by tags: ``NODE: !Node [!chain:NAME [!from …, …, !to …]]``."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def node(self, name: str, written: YamlNode) -> Node:
        place = self._values.place(written)
        if not isinstance(written, SequenceNode):
            self._values.report(written, (name,), "a node is a list of chains", "write !Node [!chain:NAME [...]]")
            return Node(name=name, grammar="v2", chains=(), place=place)
        chains = [self._chain(item, (name, index)) for index, item in enumerate(written.value)]
        return Node(name=name, grammar="v2", chains=tuple(each for each in chains if each), place=place)

    def _chain(self, written: YamlNode, trail: Trail) -> Chain | None:
        tag, _, name = written.tag.partition(":")
        if tag != _CHAIN or not isinstance(written, SequenceNode):
            self._values.report(written, trail, "a chain is wanted here", "write !chain:NAME [module.function, ...]")
            return None
        place = self._values.place(written)
        source: Reference | Receive | None = None
        elements: list[Reference | Send] = []
        for index, item in enumerate(self._values.items(written, trail)):
            found = self._element(item, (*trail, name or index, index), is_first=index == 0)
            if isinstance(found, _Source):
                source = found.source
            elif found is not None:
                elements.append(found)
        return Chain(name=name, source=source, elements=tuple(elements), place=place)

    def _element(self, written: YamlNode, trail: Trail, *, is_first: bool) -> "Reference | Send | _Source | None":
        if written.tag == _TO:
            return _send(self._values, written, trail)
        key = written.value[0][0] if isinstance(written, MappingNode) and len(written.value) == 1 else None
        if key is not None and key.tag == _TO:
            self._values.report(written, trail, "!to takes addresses, and no arguments", "write !to [a, b]")
            return None
        if written.tag == _FROM or (key is not None and key.tag == _FROM):
            if not is_first:
                self._values.report(written, trail, "!from stands in the middle of a chain", "let it come first")
            source = self._source(written, trail)
            return None if source is None else _Source(source=source)
        return _element(self._values, written, trail)

    def _source(self, written: YamlNode, trail: Trail) -> Reference | Receive | None:
        place = self._values.place(written)
        if not isinstance(written, ScalarNode):
            return _element(self._values, written, trail, tag=_FROM)
        if not written.value:
            self._values.report(written, trail, "!from says nothing", "write !from module.attribute: {}")
            return None
        if is_address(written.value) or "." not in written.value:
            return Receive(address=written.value, place=place)
        return Reference(name=written.value, place=place)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What stands behind ``!from``, told from steps."""

    source: Reference | Receive


def _element(
    values: Values, written: YamlNode, trail: Trail, *, tag: str = "", has_old_objects: bool = False
) -> Reference | None:
    """Return an element: a name alone, or with what it is called with."""
    known = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:map", tag)
    place = values.place(written)
    if isinstance(written, ScalarNode) and written.tag in known:
        return Reference(name=_named(values, written, trail), place=place)
    if isinstance(written, MappingNode) and written.tag in known and len(written.value) == 1:
        key, inner = written.value[0]
        if isinstance(key, ScalarNode) and key.tag in known:
            name = _named(values, key, trail)
            arguments = values.arguments(inner, (*trail, name), has_old_objects=has_old_objects)
            return Reference(name=name, arguments=arguments, place=place)
    remedy = "write module.attribute, or module.attribute: {name: value}"
    if written.tag.startswith("!"):
        text = f"the tag {written.tag} means nothing here"
        remedy = did_you_mean(written.tag, (_FROM, _TO, _CHAIN, _NODE), otherwise=remedy)
    elif isinstance(written, MappingNode):
        names = listed((str(key.value) for key, _ in written.value), "and")
        text = f"one element is wanted, and there are {names}" if names else "a name is missing"
    else:
        text = "an element is wanted"
    values.report(written, trail, text, remedy)
    return None


def _named(values: Values, node: ScalarNode, trail: Trail) -> str:
    name = str(node.value)
    parts = name.removeprefix(".").split(".")
    if not all(part.isidentifier() for part in parts):
        values.report(node, trail, f'"{name}" is no name', "write module.attribute")
    elif len(parts) < 2 and not name.startswith("."):
        values.report(node, trail, f'"{name}" does not say in which module it is', f"write module.{name}")
    return name


def _send(values: Values, written: YamlNode, trail: Trail) -> Send:
    """Return what stands behind ``to``: one address or several."""
    nodes = written.value if isinstance(written, SequenceNode) else [written]
    addresses = []
    for index, node in enumerate(nodes):
        where = (*trail, index) if isinstance(written, SequenceNode) else trail
        if not isinstance(node, ScalarNode) or not node.value:
            values.report(node, where, "an address is wanted", "write the name of a chain, or tcp://HOST:PORT")
        elif node.value in addresses:
            values.report(node, where, f'"{node.value}" is named twice', "name each once")
        else:
            addresses.append(str(node.value))
    return Send(addresses=tuple(addresses), place=values.place(written))
