"""The document: what somebody wrote, as plain values, with the place of every one of them.

It knows nothing of pipelines; both the YAML file and the Python form end in one of these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.errors import Problem

__all__ = ["Document", "Place", "Trail", "dotted"]

Trail = tuple[Any, ...]
"""Keys and indices from the top to a value; keys are text, or whatever scalar was written."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands."""

    file: str = ""
    line: int = 0
    """Counted from 1; 0 if unknown."""
    column: int = 0
    """Counted from 1; 0 if unknown."""


def dotted(trail: Trail) -> str:
    """Return a trail as people read it.

    >>> dotted(("stages", "watch", "steps", 0, "threshold"))
    'stages.watch.steps[0].threshold'
    """
    text = ""
    for step in trail:
        text += f"[{step}]" if isinstance(step, int) and not isinstance(step, bool) else f".{step}"
    return text.removeprefix(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One pipeline as it was written, includes merged and variables expanded."""

    tree: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[Trail, Place] = field(default_factory=dict)
    """Of every key and every item of a list; empty for the Python form."""
    folder: Path = Path()
    """Where user modules are looked for, and relative paths start."""
    name: str = "pipeline"
    """The pipeline's name, if it does not say one itself."""
    prelude: tuple[str, ...] = ()
    """What its reader did here before user code was imported, ``module:function``; other processes call it too."""

    def place(self, trail: Trail) -> Place:
        """Return the place of a value, or of what holds it."""
        for length in range(len(trail), -1, -1):
            if found := self.places.get(trail[:length]):
                return found
        return Place()

    def problem(self, trail: Trail, text: str, remedy: str = "", level: str = "error") -> Problem:
        """Return a problem that says where it is."""
        place = self.place(trail)
        return Problem(where=dotted(trail), text=text, remedy=remedy, file=place.file, line=place.line, level=level)
