"""The syntax of a SNAP file, read: nodes, chains, elements, and what stands among their arguments.

Both of SNAP's grammars end in these. They say what was written and where, not what it stands for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.pipeline.document import Place

__all__ = ["Chain", "Grammar", "Node", "Receive", "Reference", "Send"]

Grammar = Literal["v1", "v2"]
"""Plain mappings with ``source``, ``steps`` and ``to`` of version 1; the tags ``!Node`` and ``!chain`` of version 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An object by name, or what a call of it returns."""

    name: str
    """``module.attribute``; with a leading dot in ``snap.elements``."""
    arguments: Mapping[str, Any] | None = None
    """What it is called with, by name; ``None``: it is not called. Values may hold references."""
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive:
    """A source by address: the name of a queue within the node, or a URL."""

    address: str
    options: Mapping[str, Any] = field(default_factory=dict)
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A step that gives its items to others, too, and passes them on."""

    addresses: tuple[str, ...]
    """Names of chains or queues of the node, or URLs."""
    options: Mapping[str, Any] = field(default_factory=dict)
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A source and what its items go through in turn."""

    name: str
    """May be empty in version 2."""
    source: Reference | Receive | None = None
    """``None``: what others send to the chain."""
    elements: tuple[Reference | Send, ...] = ()
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What one command of SNAP runs."""

    name: str
    """Its key in the file."""
    grammar: Grammar
    chains: tuple[Chain, ...]
    place: Place = field(default=Place(), compare=False)
