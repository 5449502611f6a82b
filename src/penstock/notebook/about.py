"""What is said of a view, in what form it is shown, and which elements of it are asked for; pure."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np

from penstock.views import Axis

__all__ = ["About", "AxisAbout", "Kind", "Wish", "about_of", "axis_view", "kind_of", "slice_of"]

MOST_BARS: Final = 512
"""Of a histogram; of more values a curve is clearer."""
MOST_COLUMNS: Final = 32
MOST_ROWS: Final = 20
"""Of a table; the last ones are shown."""
NUMBERS: Final = "biuf"
"""Kinds of dtypes that can be drawn."""


class Kind(StrEnum):
    """The form in which a view is shown."""

    VALUE = "value"
    TEXT = "text"
    CURVE = "curve"
    HISTOGRAM = "histogram"
    IMAGE = "image"
    STACK = "stack"
    """One frame of more than two dimensions."""
    TABLE = "table"

    @property
    def is_drawn(self) -> bool:
        """Whether it is a picture; else it is text."""
        return self in (Kind.CURVE, Kind.HISTOGRAM, Kind.IMAGE, Kind.STACK)


class AxisAbout(msgspec.Struct, frozen=True):
    """What is said of one axis."""

    name: str
    unit: str = ""
    values: list[Any] | None = None
    """``None`` where they are just counted."""


class About(msgspec.Struct, frozen=True):
    """What is said of a view over HTTP."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    unit: str = ""
    title: str = ""
    grows: bool = False
    axes: tuple[AxisAbout, ...] = ()
    version: int = 0
    position: int = 0

    @property
    def heading(self) -> str:
        """What people call it."""
        return self.title or self.name

    def axis(self, k: int) -> Axis:
        """Return an axis of the last dimensions, counted from behind: -1 is that of the last dimension."""
        if not self.axes:
            return Axis("")
        found = self.axes[k]
        return Axis(found.name, found.unit, None if found.values is None else np.asarray(found.values))


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is followed of one view, as it is sent."""

    view: str
    slice: str
    max_hz: float
    max_bytes: int


def about_of(said: Mapping[str, Any]) -> About:
    """Return what an answer says.

    >>> about_of({"name": "a/b", "shape": [3], "dtype": "<f8", "grows": True}).shape
    (3,)
    """
    return msgspec.convert(said, About)


def kind_of(about: About) -> Kind:
    """Return in what form a view is shown by itself.

    >>> kind_of(About("beam/track", (32, 32), "<f8"))
    <Kind.IMAGE: 'image'>
    """
    rank, dtype = len(about.shape), np.dtype(about.dtype)
    if dtype.kind not in NUMBERS:
        return Kind.TABLE if rank else Kind.TEXT
    if rank == 0:
        return Kind.VALUE
    if rank == 1:
        is_counted = dtype.kind in "iu" and len(about.axes) == 1 and not about.grows and about.shape[0] <= MOST_BARS
        return Kind.HISTOGRAM if is_counted else Kind.CURVE
    if rank > 2:
        return Kind.STACK
    return Kind.TABLE if _has_named_columns(about) else Kind.IMAGE


def slice_of(about: About, kind: Kind, frame: int = -1) -> str:
    """Return which elements are shown.

    Parameters
    ----------
    frame
        Of a stack, which entry of its first dimension; the last entry of the other ones before the picture.

    Examples
    --------
    >>> slice_of(About("a/frames", (9, 2, 40, 30), "<u2"), Kind.STACK, 4)
    '4,-1,...'
    """
    if kind is Kind.STACK:
        return ",".join([str(frame), *["-1"] * (len(about.shape) - 3), "..."])
    if kind is Kind.TABLE and about.shape:
        return f"-{MOST_ROWS}:"
    return ""


def axis_view(about: About, names: Iterable[str]) -> str | None:
    """Return the name of the view beside this one that says the values of its first axis, if there is one."""
    if not about.axes or about.axes[0].values is not None:
        return None
    branch, _, own = about.name.rpartition("/")
    wanted = about.axes[0].name
    name = f"{branch}/{wanted}"
    return name if wanted and wanted != own and name in set(names) else None


def _has_named_columns(about: About) -> bool:
    if about.shape[1] > MOST_COLUMNS or len(about.axes) < 2:
        return False
    return any(isinstance(each, str) for each in about.axes[1].values or ())
