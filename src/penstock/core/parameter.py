"""One parameter: a named, typed value with a unit that may change while a pipeline runs.

This declares; it holds no value in force and imports no validation library.
"""

import re
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np

__all__ = ["Bounds", "Parameter", "Section", "Unit"]


@dataclass(frozen=True, slots=True)
class Unit:
    """Mark the unit of an annotated argument: ``Annotated[float, Unit("keV")]``."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Section:
    """Mark where an annotated argument stands among others: ``Annotated[float, Section("Calibration")]``."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The numbers allowed, of an array each of its; ``None`` where there is no limit."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    multiple_of: float | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.ge, self.gt, self.le, self.lt, self.multiple_of))

    def __str__(self) -> str:
        limits = [("≥", self.ge), (">", self.gt), ("≤", self.le), ("<", self.lt), ("multiple of", self.multiple_of)]
        return ", ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a keyword-only annotated argument with a default declares."""

    name: str
    type: Any  # a type or any typing form, as the user annotated it, without the marks
    default: Any = field(hash=False)  # a list or dictionary has no hash
    annotation: Any = field(default=None, hash=False)
    """The whole annotation, for whoever validates."""
    unit: str = ""
    section: str = ""
    """Under which heading it is shown; empty for none."""
    bounds: Bounds = Bounds()
    choices: tuple[Any, ...] = ()
    doc: str = ""
    stage: str = ""
    step: str = ""

    @property
    def address(self) -> str:
        """``stage.step.name``; parts that are not known are left out."""
        return ".".join(filter(None, (self.stage, self.step, self.name)))

    @property
    def expects(self) -> str:
        """What would be right, in words: type, unit, bounds, choices.

        >>> Parameter(name="roi", type=float, default=5.9, unit="keV", bounds=Bounds(ge=0)).expects
        'float in keV, ≥ 0'
        """
        text = " | ".join(map(repr, self.choices)) if self.choices else _type_name(self.type)
        text += f" in {self.unit}" if self.unit else ""
        return f"{text}, {self.bounds}" if self.bounds else text


def _type_name(form: Any) -> str:  # any typing form
    """Return a type without the modules it comes from, as a user would say it; what stands in quotes is a choice.

    >>> from typing import Annotated, Literal
    >>> _type_name(list[Literal["a.b"]])
    "list[Literal['a.b']]"
    >>> from numpy.typing import NDArray
    >>> _type_name(Annotated[NDArray[np.float64], "of a dark image"] | None)
    'array of float64 | None'
    """
    origin, inner = get_origin(form), get_args(form)
    if origin is Annotated:
        # pydantic's FilePath and its like are paths that are marked
        return "file" if getattr(inner[0], "__name__", "") == "Path" else _type_name(inner[0])
    if origin in (Union, UnionType):
        return " | ".join(map(_type_name, inner))
    if origin is np.ndarray:
        kinds = get_args(inner[1])
        is_named = bool(kinds) and isinstance(kinds[0], type) and kinds[0] not in (Any, np.generic)
        return f"array of {kinds[0].__name__ if is_named else 'numbers'}"
    if form is NoneType:
        return "None"
    if isinstance(form, type) and not inner:
        return form.__name__
    return re.sub(r"('[^']*')|\b(?:[A-Za-z_]\w*\.)+(?=\w)", lambda found: found[1] or "", str(form))
