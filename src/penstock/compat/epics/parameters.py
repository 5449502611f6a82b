"""A parameter as a value of a process variable, and what is written to it as a value of the parameter."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from penstock.elements.pv_name import pv_name
from penstock.elements.pva_values import PvaKind, Said, said_of
from penstock.errors import ResultTypeError

__all__ = ["parameter_name", "said_of_parameter", "value_of_parameter"]

_NUMBER: Final = {"float": "d", "int": "l", "bool": "?"}


def parameter_name(described: Mapping[str, Any]) -> str:
    """Return the end of the name of the process variable."""
    return pv_name("PAR", described["address"])


def said_of_parameter(described: Mapping[str, Any]) -> Said:
    """Return the value of a parameter with unit, bounds and choices.

    Numbers, truth values, texts and paths are scalars of their type, texts to choose from are an ``NTEnum``; an array
    is an ``NTScalarArray`` of double, or an ``NTNDArray`` if it has more dimensions; ``None`` is NaN of a number, and
    an empty array or text. Any other value is its JSON.

    Parameters
    ----------
    described
        As ``connection.parameters.describe()`` has it.
    """
    value = described["value"]
    beside = {"unit": described["unit"], "doc": described["doc"] or described["section"]} | _limits(described)
    base = _base(described)
    if choices := described["choices"]:
        named = tuple(map(_word, choices))
        index = choices.index(value) if value in choices else -1
        return Said(value=index, kind=PvaKind("enum"), choices=named, doc=beside["doc"], unit=beside["unit"])
    if base in _NUMBER and isinstance(value, bool | int | float):
        return _number(value, _NUMBER[base], beside)
    if base == "float" and value is None:
        return _number(math.nan, "d", beside)
    if _is_text(base):
        return said_of(value or "", **beside)
    if "ndarray" in base:
        try:
            return said_of(np.asarray([] if value is None else value, np.float64), **beside)
        except (ValueError, ResultTypeError):  # of other things than numbers
            pass
    return said_of(json.dumps(value), **beside)


def value_of_parameter(described: Mapping[str, Any], written: Any) -> Any:  # what JSON can hold
    """Return the value to set for what was written to the process variable, as `written_in` gives it.

    Raises
    ------
    ValueError
        If it is no JSON, where JSON is due.
    """
    value, base = described["value"], _base(described)
    if choices := described["choices"]:
        return next((choice for choice in choices if _word(choice) == written), written)
    if base in _NUMBER and not isinstance(written, str):
        is_none = base == "float" and math.isnan(written) and " | None" in described["type"]
        return None if is_none else written
    if _is_text(base):
        return None if not written and value is None else written
    if "ndarray" in base and not isinstance(written, str):
        array = np.asarray(written)
        if not array.size and described["default"] is None:
            return None
        return _as_before(array, described)
    try:
        return json.loads(written)
    except ValueError as error:
        raise ValueError(f"{described['address']} is written as JSON, and this is none: {error}") from None


def _as_before(array: Any, described: Mapping[str, Any]) -> Any:
    """Return lists, of whole numbers or truth values where the parameter says that its elements are."""
    kind = described["type"]
    if "bool" in kind and np.isin(array, (0, 1)).all():
        return array.astype(bool).tolist()
    if ("int" in kind or "uint" in kind) and np.equal(np.mod(array, 1), 0).all():
        return array.astype(np.int64).tolist()
    return array.tolist()


def _base(described: Mapping[str, Any]) -> str:
    return str(described["type"]).removesuffix(" | None")


def _is_text(base: str) -> bool:
    return base == "str" or "Path" in base


def _number(value: float, code: str, beside: Mapping[str, Any]) -> Said:
    typed = {"d": float, "l": int, "?": bool}[code](value)
    return Said(value=typed, kind=PvaKind("scalar", code), **beside)


def _limits(described: Mapping[str, Any]) -> dict[str, Any]:
    bounds = described["bounds"]
    return {"low": bounds.get("ge", bounds.get("gt")), "high": bounds.get("le", bounds.get("lt"))}


def _word(choice: Any) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice)
