"""What a window needs to know of a run: its parameters as fields of a form, and slices of its views. It draws nothing.

It works with any pipeline that is served, and without any library of windows:

>>> field = Field(address="fit.width", type="float", value=2.5, unit="px", bounds={"gt": 0, "le": 10})
>>> field.label, field.help
('width (px)', 'fit.width, > 0, ≤ 10')
>>> field.parsed("3"), Field(address="fit.name", type="str", value="Fe").parsed("Ni")
(3, 'Ni')
"""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.client import Connection, RemoteView
from penstock.errors import PenstockError, StateError

SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "a multiple of"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter, as the run describes it."""

    address: str
    type: str
    value: Any
    default: Any = None
    unit: str = ""
    section: str = ""
    bounds: dict[str, float] = field(default_factory=dict)
    choices: list[Any] = field(default_factory=list)
    doc: str = ""

    @property
    def label(self) -> str:
        """Its name, and its unit."""
        name = self.address.rpartition(".")[2].replace("_", " ")
        return f"{name} ({self.unit})" if self.unit else name

    @property
    def help(self) -> str:
        """What is known of it in one line."""
        bounds = [f"{SIGNS.get(name, name)} {bound}" for name, bound in self.bounds.items()]
        return ", ".join([self.address, *filter(None, [self.doc]), *bounds])

    def parsed(self, text: str) -> Any:
        """Return what somebody typed as a value: JSON, or else text; whether it is right, the run knows."""
        if self.type == "str":
            return text
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A picture of a view: all of it, if it has two dimensions."""

    array: np.ndarray
    """(rows, columns)."""
    names: tuple[str, str]
    """Of the rows and of the columns."""
    title: str


class Slices:
    """The views and parameters of one run.

    Parameters
    ----------
    run
        What `penstock.connect` returned.
    who
        Is kept with each change of a parameter.
    """

    def __init__(self, run: Connection, who: str = "slices") -> None:
        self.run, self.who = run, who

    def names(self) -> list[str]:
        """Return the views that can be looked at: those with two or three dimensions."""
        return [name for name, view in self.run.views.items() if view.ndim in (2, 3) and view.dtype.kind in "biuf"]

    def length(self, name: str, axis: int) -> int:
        """Return how many slices there are along an axis by now; 1 of what has two dimensions."""
        view = self.run[name]
        return view.shape[axis] if view.ndim == 3 else 1

    def slice(self, name: str, axis: int = 0, index: int = -1) -> Slice:
        """Read one slice of a view, and no more than that.

        Parameters
        ----------
        name
            Of the view.
        axis
            Across which one to cut, 0, 1 or 2; nothing else than 0 makes sense of what has two dimensions.
        index
            Where; -1 is the last there is now.
        """
        view = self.run[name]
        title = f"{name} in {view.unit}" if view.unit else name
        names = list(view.axes) or [f"axis {k}" for k in range(view.ndim)]
        if view.ndim == 2:
            return Slice(array=view[...], names=(names[0], names[1]), title=title)
        at = index % view.shape[axis]
        rows, columns = (each for k, each in enumerate(names) if k != axis)
        return Slice(array=_cut(view, axis, at), names=(rows, columns), title=f"{title}, {names[axis]} {at}")

    def fields(self) -> list[Field]:
        """Return every parameter, those of a section together; none once the run has ended."""
        try:
            found = [Field(**each) for each in self.run.parameters.describe()]
        except StateError:
            return []
        return sorted(found, key=lambda each: each.section)

    def set(self, address: str, value: Any) -> str:
        """Change a parameter; return what became of it, in words."""
        try:
            answer = self.run.parameters.set({address: value}, who=self.who)
        except PenstockError as error:
            return str(error)
        return f"{address} is {answer['values'][address]!r} from event {answer['from_event']} on"


def _cut(view: RemoteView, axis: int, at: int) -> np.ndarray:
    key = [slice(None)] * view.ndim
    key[axis] = at
    return view[tuple(key)]
