"""What is said over PVAccess: which type of EPICS a value has, and the value of that type. It serves nothing.

Facts: the normative types document of EPICS (NTScalar, NTScalarArray, NTEnum, NTNDArray). A type of a process variable
stays as it is while somebody is connected, so the type is found apart from the value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core.timestamp import NS_PER_S
from penstock.errors import ResultTypeError
from penstock.extra import extra
from penstock.views import ArrayView

__all__ = ["INVALID", "MAJOR", "MINOR", "PvaKind", "Said", "fitted", "kind_of", "pva_value", "said_of", "written_in"]

MINOR: Final = 1
MAJOR: Final = 2
INVALID: Final = 3
"""Severities of EPICS; 0 is none."""
_UNDEFINED: Final = 6
"""The status of an alarm of which nobody says where it comes from."""
_CODES: Final = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "l", "u1": "B", "u2": "H", "u4": "I", "u8": "L",
    "f2": "f", "f4": "f", "f8": "d", "f16": "d",
}  # fmt: skip
"""NumPy's kind and size → EPICS's code of a scalar type."""
_DTYPES: Final = {
    "?": "?", "b": "i1", "h": "i2", "i": "i4", "l": "i8", "B": "u1", "H": "u2", "I": "u4", "L": "u8", "f": "f4",
    "d": "f8",
}  # fmt: skip
_MEMBERS: Final = {
    "?": "boolean", "b": "byte", "h": "short", "i": "int", "l": "long", "B": "ubyte", "H": "ushort", "I": "uint",
    "L": "ulong", "f": "float", "d": "double",
}  # fmt: skip
"""Of the union in which an NTNDArray has its pixels, without ``Value``."""
_MOST_DIMENSIONS: Final = 10


@dataclass(frozen=True, slots=True)
class PvaKind:
    """A type of EPICS."""

    form: Literal["scalar", "array", "enum", "image"]
    code: str = ""
    """Of the scalar type, as p4p writes it: ``d``, ``l``, ``s``, …; empty for a choice and for an image."""

    @cache  # noqa: B019 - there are few kinds; and p4p takes values of the very type that a variable has
    def type(self) -> Any:  # a p4p.Type
        """Return the type as p4p has it.

        Raises
        ------
        MissingExtraError
            If p4p is not installed.
        """
        with extra("epics"):
            from p4p.nt import NTEnum, NTNDArray, NTScalar
        if self.form == "image":
            return NTNDArray().type
        if self.form == "enum":
            return NTEnum(display=True).type
        code = f"a{self.code}" if self.form == "array" else self.code
        return NTScalar.buildType(code, display=True, control=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A value, and what EPICS says beside it."""

    value: Any
    """As `said_of` gives it: a number, a text, an array, a list of texts; of a choice its number."""
    kind: PvaKind
    unit: str = ""
    doc: str = ""
    time_ns: int = 0
    """Nanoseconds UTC; 0: now."""
    number: int = 0
    """Of an image, ``uniqueId``."""
    severity: int = 0
    alarm: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    """What may be written, both included."""
    attributes: Mapping[str, Any] | None = None
    """Of an image: numbers and texts by name."""


def kind_of(value: Any) -> PvaKind:
    """Return the type that a value has over PVAccess.

    >>> kind_of(1.5), kind_of(np.zeros((2, 3)))
    (PvaKind(form='scalar', code='d'), PvaKind(form='image', code=''))

    Raises
    ------
    ResultTypeError
        If EPICS has none for it.
    """
    return said_of(value).kind


def said_of(value: Any, **beside: Any) -> Said:
    """Return a value with its type, and what is said beside it.

    Numbers and truth values are scalars, texts too; arrays of one dimension and lists of numbers or texts are arrays;
    arrays of more dimensions images. Bytes are an array of uint8. A view says its unit and title.

    Raises
    ------
    ResultTypeError
        If EPICS has no type for it.
    """
    if isinstance(value, ArrayView):
        about = value.attributes
        beside = {"unit": str(about.get("unit", "")), "doc": str(about.get("title", ""))} | beside
        value = value.array
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return Said(value=str(value), kind=PvaKind("scalar", "s"), **beside)
    if isinstance(value, bytes | bytearray | memoryview):
        value = np.frombuffer(value, np.uint8)
    if isinstance(value, bool | int | float | Sequence | np.ndarray | np.generic):
        return _of_array(_array(value), beside)
    raise ResultTypeError(
        f"{type(value).__name__} has no type in EPICS; give a number, a text, or an array or a list of these"
    )


def fitted(said: Said, kind: PvaKind) -> Said:
    """Return a value in a type that a variable has already, if that loses nothing, as a whole number as a double.

    >>> fitted(said_of(3), PvaKind("scalar", "d")).kind.code, fitted(said_of(0.5), PvaKind("scalar", "l")).kind.code
    ('d', 'd')
    """
    codes = said.kind.code, kind.code
    if said.kind == kind or said.kind.form != kind.form or "" in codes or "s" in codes:
        return said
    before, after = (np.dtype(_DTYPES[code]) for code in codes)
    if not np.can_cast(before, after, "safe"):
        return said
    array = np.asarray(said.value, after)
    return replace(said, kind=kind, value=array if array.ndim else array.item())


def pva_value(said: Said, now_ns: int) -> Any:  # a p4p.Value
    """Return the value as p4p has it, whole.

    Raises
    ------
    MissingExtraError
        If p4p is not installed.
    """
    with extra("epics"):
        from p4p import Value
    seconds, nanoseconds = divmod(said.time_ns or now_ns, NS_PER_S)
    stamp = {"secondsPastEpoch": seconds, "nanoseconds": nanoseconds}
    alarm = {"severity": said.severity, "status": _UNDEFINED if said.severity else 0, "message": said.alarm}
    common: dict[str, Any] = {"timeStamp": stamp, "alarm": alarm}
    if said.kind.form == "image":
        return Value(said.kind.type(), common | {"dataTimeStamp": stamp} | _image(said))
    if said.kind.form == "enum":
        value = {"index": said.value, "choices": list(said.choices)}
        return Value(said.kind.type(), common | {"value": value, "display.description": said.doc})
    return Value(said.kind.type(), common | {"value": said.value} | _display(said))


def written_in(value: Any, kind: PvaKind) -> Any:
    """Return what somebody has written, from a value of p4p: a number, a text, an array, a list; of a choice the text.

    Parameters
    ----------
    value
        A ``p4p.Value`` of ``kind``; of a choice with its ``choices``.
    kind
        Its type.

    Raises
    ------
    ValueError
        If it is none of the choices, or no whole image.
    """
    if kind.form == "enum":
        index, choices = int(value["value.index"]), list(value["value.choices"])
        if not 0 <= index < len(choices):
            raise ValueError(f"{index} is no choice; there are {', '.join(choices)}")
        return str(choices[index])
    found = value["value"]
    if kind.form == "image":
        shape = tuple(int(each["size"]) for each in reversed(value["dimension"]))
        if found is None or np.prod(shape, dtype=int) != len(found):
            raise ValueError(f"no whole image: its dimensions are {shape}")
        return np.asarray(found).reshape(shape)
    return found


def _array(value: Any) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except ValueError as error:  # lists of unequal lengths
        raise ResultTypeError(f"{type(value).__name__} is no array: {error}") from error


def _of_array(array: NDArray[Any], beside: Mapping[str, Any]) -> Said:
    if array.dtype.kind == "U" and array.ndim <= 1:
        kind = PvaKind("array" if array.ndim else "scalar", "s")
        return Said(value=array.tolist(), kind=kind, **beside)
    code = _CODES.get(f"{array.dtype.kind}{array.dtype.itemsize}")
    if code is None or array.ndim > _MOST_DIMENSIONS:
        what = f"an array of {array.ndim} dimensions of {array.dtype}"
        raise ResultTypeError(f"{what} has no type in EPICS; give real numbers, truth values or texts")
    array = array.astype(_DTYPES[code], copy=False)  # in the order of bytes that this machine has
    if array.ndim > 1:
        return Said(value=array, kind=PvaKind("image"), **beside)
    if array.ndim:
        return Said(value=array, kind=PvaKind("array", code), **beside)
    return Said(value=array.item(), kind=PvaKind("scalar", code), **beside)


def _image(said: Said) -> dict[str, Any]:
    pixels = said.value
    code = _CODES[f"{pixels.dtype.kind}{pixels.dtype.itemsize}"]
    attributes = {"ColorMode": 0, **(said.attributes or {})}
    if said.unit:
        attributes["units"] = said.unit
    return {
        "value": (f"{_MEMBERS[code]}Value", np.ascontiguousarray(pixels).reshape(-1)),
        "codec": {"name": ""},
        "compressedSize": pixels.nbytes,
        "uncompressedSize": pixels.nbytes,
        "uniqueId": (said.number + 2**31) % 2**32 - 2**31,
        "dimension": [{"size": n, "offset": 0, "fullSize": n, "binning": 1} for n in reversed(pixels.shape)],
        "attribute": [{"name": name, "value": value} for name, value in attributes.items()],
    }


def _display(said: Said) -> dict[str, Any]:
    display: dict[str, Any] = {"display.description": said.doc, "display.units": said.unit}
    if said.kind.code in "?s":
        return display
    limits = {"Low": said.low, "High": said.high}
    return display | {
        f"{part}.limit{which}": limit
        for which, limit in limits.items()
        if limit is not None
        for part in ("display", "control")
    }
