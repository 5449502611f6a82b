"""Parameters of a pipeline as Tango attributes: which form each has, and its values both ways. No Tango here."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from penstock.elements.tango_form import Form, Kind, attribute_names, said_as
from penstock.errors import ParameterError

__all__ = ["CONTENT", "Knob", "Way", "knobs_of"]

CONTENT: Final = "_content"
"""Behind the name of a parameter that is a file: the attribute to which a file is written."""
_SCALARS: Final = {"bool": Kind.BOOL, "int": Kind.INT, "float": Kind.FLOAT, "str": Kind.TEXT}
_NONE: Final = re.compile(r"\s*\|\s*None\b|\bNone\s*\|\s*|^(typing\.)?Optional\[(?P<inner>.*)\]$")
_PATH: Final = re.compile(r"\b(Path|PathType)\b")
_DTYPE: Final = re.compile(r"numpy\.dtype\[numpy\.(?P<name>[a-z]+)\d*_?\]")
_LABEL: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
"""What PyTango can make a member of an enumeration of."""


class Way(StrEnum):
    """How values are said."""

    AS_IS = "as it is"
    CHOICE = "number of a choice"
    ARRAY = "array"
    PATH = "path"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class Knob:
    """One parameter."""

    address: str
    way: Way
    form: Form
    may_be_none: bool = False

    def shown(self, value: Any) -> Any:  # what JSON can hold
        """Return the attribute's value; ``None`` if it has none."""
        if self.way is Way.JSON:
            return json.dumps(value)
        if value is None:
            return "" if self.way is Way.PATH else np.zeros(0) if self._is_spectrum else None
        return np.asarray(value) if self.way is Way.ARRAY else value

    def meant(self, written: Any) -> Any:  # as Tango gives what was written
        """Return the parameter's value.

        Raises
        ------
        ParameterError
            If it is no JSON where JSON is wanted.
        """
        if self.way is Way.JSON:
            try:
                return json.loads(written)
            except ValueError as error:
                raise ParameterError(f"{self.address}: {str(written)[:200]!r} is no JSON ({error})") from error
        if self.way is Way.CHOICE:
            return self.form.choices[int(written)]
        if self.way is Way.ARRAY:
            array = np.asarray(written)
            return None if self.may_be_none and not array.size else array.tolist()
        if self.way is Way.PATH and self.may_be_none and not written:
            return None
        return written.item() if isinstance(written, np.generic) else written

    @property
    def _is_spectrum(self) -> bool:
        return self.way is Way.ARRAY and self.form.ndim == 1


def knobs_of(described: Iterable[Mapping[str, Any]], taken: Sequence[str] = ()) -> list[Knob]:
    """Return the attributes of parameters.

    Parameters
    ----------
    described
        As ``connection.parameters.describe()`` has them.
    taken
        Names of other attributes.
    """
    every = list(described)
    names = attribute_names((each["address"] for each in every), taken)
    return [_knob(each, name) for each, name in zip(every, names, strict=True)]


def _knob(each: Mapping[str, Any], name: str) -> Knob:
    bare, may_be_none = _without_none(str(each["type"]))
    way, kind, ndim = _way(each, bare, may_be_none=may_be_none)
    bounds = each["bounds"] if kind in (Kind.INT, Kind.FLOAT) else {}
    form = Form(
        name=name,
        kind=kind,
        ndim=ndim,
        unit=str(each["unit"]),
        label=str(each["address"]),
        doc=_doc(each, way, may_be_none=may_be_none),
        lowest=bounds.get("ge"),
        highest=bounds.get("le"),
        choices=tuple(each["choices"]) if way is Way.CHOICE else (),
        can_be_written=True,
    )
    knob = Knob(each["address"], way, form, may_be_none)
    if each["value"] is not None and said_as(form, knob.shown(each["value"])) is None:
        # A whole number of more than 64 bits, or an array of no numbers.
        text = Form(name=name, kind=Kind.TEXT, label=form.label, doc=form.doc, unit=form.unit, can_be_written=True)
        return Knob(each["address"], Way.JSON, text, may_be_none)
    return knob


def _way(each: Mapping[str, Any], bare: str, *, may_be_none: bool) -> tuple[Way, Kind, int]:
    """Return how values are said, of which kind they are then, and how many dimensions they have."""
    choices, value = each["choices"], each["value"]
    if choices:
        are_texts = all(isinstance(choice, str) for choice in choices) and value in choices and not may_be_none
        if are_texts and all(_LABEL.fullmatch(choice) for choice in choices):
            return Way.CHOICE, Kind.CHOICE, 0
        return (Way.AS_IS if are_texts else Way.JSON), Kind.TEXT, 0
    if "numpy.ndarray" in bare:
        found = _DTYPE.search(bare)
        kind = _kind_of_array(found["name"] if found else "", value)
        # Without a value nothing says of how many dimensions it will be: of one, as most are.
        ndim = np.ndim(value) if value is not None else 1
        return (Way.ARRAY, kind, ndim) if kind is not None and ndim in (1, 2) else (Way.JSON, Kind.TEXT, 0)
    if _PATH.search(bare):
        return Way.PATH, Kind.TEXT, 0
    if bare in _SCALARS and not may_be_none:
        return Way.AS_IS, _SCALARS[bare], 0
    return Way.JSON, Kind.TEXT, 0


def _kind_of_array(dtype: str, value: Any) -> Kind | None:
    if not dtype:  # any will do
        dtype = str(np.asarray(value).dtype.name).rstrip("0123456789") if value is not None else "float"
    return {"bool": Kind.BOOL, "int": Kind.INT, "uint": Kind.INT, "float": Kind.FLOAT}.get(dtype)


def _doc(each: Mapping[str, Any], way: Way, *, may_be_none: bool) -> str:
    told = [str(each["doc"])] if each["doc"] else []
    if limits := {"gt": "above", "lt": "below"}.keys() & each["bounds"].keys():
        told += [f"{'above' if name == 'gt' else 'below'} {each['bounds'][name]:g}" for name in sorted(limits)]
    if way is Way.JSON:
        told.append(f"JSON: {each['type']}")
    elif may_be_none:
        told.append("none: empty")
    if way is Way.AS_IS and each["choices"]:
        told.append(f"one of {', '.join(each['choices'])}")
    if way is Way.PATH:
        told.append(f"a path where the pipeline runs; {each['address']} can be sent as bytes too")
    return "; ".join(told)


def _without_none(text: str) -> tuple[str, bool]:
    found = _NONE.search(text)
    if found is None:
        return text, False
    return (found["inner"] or _NONE.sub("", text)), True
