"""What a Tango attribute is made of, and values as Tango can say them; nothing of Tango is imported here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

__all__ = ["Form", "Kind", "attribute_names", "empty", "form_of", "in_latin", "is_same", "said_as"]

LONGEST: Final = 1 << 24
"""Elements along each dimension, at most; Tango wants a bound."""
_SPOKEN: Final = str.maketrans({"→": "->", "≥": ">=", "≤": "<=", "…": "...", "–": "-", "—": "-", "’": "'"})
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class Kind(StrEnum):
    """Of what the elements are."""

    BOOL = "bool"
    INT = "int"
    """Of 64 bits, signed."""
    FLOAT = "float"
    TEXT = "text"
    CHOICE = "choice"
    """One of several texts; Tango says its number."""
    BYTES = "bytes"
    """With a name: Tango's DevEncoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One attribute, without its value."""

    name: str
    kind: Kind
    ndim: int = 0
    """0: one value, 1: a spectrum, 2: an image."""
    unit: str = ""
    label: str = ""
    doc: str = ""
    lowest: float | None = None
    """That may be written; Tango itself refuses less."""
    highest: float | None = None
    choices: tuple[str, ...] = ()
    can_be_read: bool = True
    can_be_written: bool = False


def form_of(name: str, value: Any, *, unit: str = "", label: str = "") -> Form | None:
    """Return the form of an attribute that shows such a value; ``None`` if none can.

    >>> form_of("sum", 3).kind, form_of("map", np.zeros((2, 3))).ndim, form_of("a", {}) is None
    (<Kind.INT: 'int'>, 2, True)
    """
    kind, ndim = _kind_of(value)
    return None if kind is None else Form(name=name, kind=kind, ndim=ndim, unit=unit, label=label)


def said_as(form: Form, value: Any) -> Any:  # foreign: what users' code makes
    """Return a value as an attribute of this form can be given it; ``None`` if it has none now.

    An image without a row or a column is none, as Tango has nothing for it.
    """
    if value is None:
        return None
    if form.kind is Kind.BYTES:
        name, data = value
        return in_latin(str(name)), bytes(data)
    if form.kind is Kind.CHOICE:
        return form.choices.index(value) if value in form.choices else None
    if form.ndim:
        return _array_as(form, value)
    if form.kind is Kind.TEXT:
        return in_latin(str(value))
    if form.kind is Kind.BOOL:
        return bool(value)
    if form.kind is Kind.INT:
        return int(value) if _SMALLEST <= value <= _LARGEST else None
    return float(value)


def empty(form: Form) -> Any:
    """Return what stands where there is no value; Tango wants something, and does not pass it on."""
    if form.ndim:
        nothing: Any = np.zeros((0,) if form.ndim == 1 else (1, 1), _DTYPES.get(form.kind, np.float64))
        return ([""] if form.ndim == 1 else [[""]]) if form.kind is Kind.TEXT else nothing
    return {Kind.TEXT: "", Kind.BYTES: ("", b""), Kind.BOOL: False, Kind.FLOAT: 0.0}.get(form.kind, 0)


def is_same(one: Any, other: Any) -> bool:
    """Return whether two values, as `said_as` makes them, are the same; what is no number is the same as itself."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        floats = one.dtype.kind == "f"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=floats)
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return False
    return bool(type(one) is type(other) and (one == other or (one != one and other != other)))


def attribute_names(texts: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return a name of an attribute for each text: letters, digits and ``_``, no two alike for Tango.

    >>> attribute_names(["fit.roi", "fit-roi", "state"], taken=["State"])
    ['fit_roi', 'fit_roi_2', 'state_2']
    """
    there = {name.lower() for name in taken}
    found = []
    for text in texts:
        base = re.sub(r"[^A-Za-z0-9_]", "_", text) or "value"
        name, number = base, 1
        while name.lower() in there:
            number += 1
            name = f"{base}_{number}"
        there.add(name.lower())
        found.append(name)
    return found


def in_latin(text: str, encoding: str = "latin-1") -> str:
    r"""Return a text of the characters that Tango carries; what else there is becomes something alike, or its number.

    >>> in_latin("n → 3 µm, ≥ 2, 日")
    'n -> 3 µm, >= 2, \\u65e5'
    """
    return text.translate(_SPOKEN).replace("\0", "\\0").encode(encoding, "backslashreplace").decode(encoding)


_DTYPES: Final = {Kind.BOOL: np.bool_, Kind.INT: np.int64, Kind.FLOAT: np.float64}


def _kind_of(value: Any) -> tuple[Kind | None, int]:
    if isinstance(value, bool | np.bool_):
        return Kind.BOOL, 0
    if isinstance(value, int | np.integer):
        return Kind.INT, 0
    if isinstance(value, float | np.floating):
        return Kind.FLOAT, 0
    if isinstance(value, str):
        return Kind.TEXT, 0
    if isinstance(value, bytes | bytearray | memoryview):
        return None, 0
    if not isinstance(value, np.ndarray):
        try:
            value = np.asarray(value)
        except ValueError:  # lists of unequal lengths
            return None, 0
    kind = {"b": Kind.BOOL, "i": Kind.INT, "u": Kind.INT, "f": Kind.FLOAT, "U": Kind.TEXT}.get(value.dtype.kind)
    return (kind, value.ndim) if kind is not None and value.ndim <= 2 else (None, 0)


def _array_as(form: Form, value: Any) -> Any:
    if form.kind is Kind.TEXT:
        texts = np.asarray(value, dtype=object)
        rows = [in_latin(str(each)) for each in texts.reshape(-1)]
        if form.ndim == 1:
            return rows
        width = texts.shape[-1] if texts.ndim == 2 else 0
        return [rows[start : start + width] for start in range(0, len(rows), width)] if width else None
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.ndim != form.ndim or (form.ndim == 2 and not array.size):
        return np.zeros(0, _DTYPES[form.kind]) if form.ndim == 1 and not array.size else None
    if form.kind is Kind.INT and array.dtype.kind == "u" and array.size and int(array.max()) > _LARGEST:
        return None
    return np.ascontiguousarray(array, _DTYPES[form.kind])
