"""A reducer's state beside its views, as bytes, without its help: its attributes and what else its methods keep."""

from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

from penstock.elements.construction import Construction
from penstock.elements.fixed_object import FixedObjects
from penstock.elements.state_graph import StateGraph, UncapturableError
from penstock.elements.state_rebuild import StateRebuild
from penstock.elements.state_root import Root
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.views import ArrayView, walk
from penstock.wire.values import decode_value, encode_value

__all__ = ["AttributeState", "view_paths"]


class AttributeState:
    """What some roots hold; made right after what they belong to.

    Parameters
    ----------
    owner
        The user's object.
    roots
        In an order that is always the same.
    code
        What is called, by name; it must keep nothing of its own.
    """

    def __init__(self, owner: Any, roots: Sequence[Root], code: Mapping[str, Any]) -> None:
        self._fixed = FixedObjects(owner)
        self._roots = roots
        self._obstacle = ""
        for name, each in code.items():
            is_fixed = self._fixed.holds_method(each) if isinstance(each, FunctionType) else self._fixed.holds(each)
            if not is_fixed:
                self._obstacle = f"{name} keeps something from call to call that nobody else sees"
        self._construction = Construction([root.read() for root in roots], self._fixed, owner)

    def capture(self, views: Mapping[str, Any]) -> bytes:
        """Return everything but the content of the views.

        Raises
        ------
        UncapturableError
            If something cannot be saved.
        """
        if self._obstacle:
            raise UncapturableError(self._obstacle)
        if not self._fixed.have_stayed():
            raise UncapturableError("a function it holds has changed a variable around it")
        graph = StateGraph(self._construction, {id(view): path for path, view in view_paths(views)})
        written = [_written(root, graph) for root in self._roots]
        graph.check_memory()
        try:
            return encode_value([self._construction.signature, written, graph.nodes])
        except ResultTypeError as error:
            raise UncapturableError(str(error)) from error

    def restore(self, tree: Mapping[str, Any], state: bytes) -> None:
        """Make the roots hold what they held.

        Raises
        ------
        RemoteProtocolError
            If the state is of something else.
        """
        try:
            signature, written, nodes = decode_value(state)
            if signature != self._construction.signature:
                raise RemoteProtocolError("its constructor made something else this time; let it do the same always")
            rebuild = StateRebuild(nodes, self._construction, dict(view_paths(tree)))
            found = [
                {name: rebuild.value(child) for name, child in zip(names, children, strict=True)}
                for names, children in written
            ]
            rebuild.fill()
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise RemoteProtocolError(f"its state does not fit: {type(error).__name__}: {error}") from error
        for root, content in zip(self._roots, found, strict=True):
            _assign(root, content)


def _written(root: Root, graph: StateGraph) -> list[Any]:
    names, children = [], []
    for name, value in root.read().items():
        try:
            children.append(graph.child(value))
        except UncapturableError as error:
            raise UncapturableError(f"{root.name}.{name} {error}") from error
        names.append(name)
    return [names, children]


def _assign(root: Root, content: Mapping[str, Any]) -> None:
    present = root.read()
    for name in present.keys() - content.keys():
        root.remove(name)
    for name, value in content.items():
        if name not in present or present[name] is not value:
            root.assign(name, value)


def view_paths(tree: Mapping[str, Any]) -> Iterator[tuple[str, ArrayView]]:
    """Yield every ``ArrayView`` of a tree with its path."""
    return ((path, leaf) for path, leaf in walk(tree) if isinstance(leaf, ArrayView))
