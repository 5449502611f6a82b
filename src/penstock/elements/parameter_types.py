"""Parameters as annotations declare them, and the validation of their values by pydantic.

Strict on purpose: a number typed with a comma, or ``True`` for a number, is refused, never guessed at.
"""

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from math import isnan
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types

from penstock.core.parameter import Bounds, Parameter, Unit
from penstock.errors import ParameterError

__all__ = ["parameter_of", "validate"]

_LIMITS: dict[type, str] = {
    annotated_types.Ge: "ge",
    annotated_types.Gt: "gt",
    annotated_types.Le: "le",
    annotated_types.Lt: "lt",
    annotated_types.MultipleOf: "multiple_of",
}


def parameter_of(
    name: str, annotation: Any, default: Any, documentation: str = "", *, stage: str = "", step: str = ""
) -> Parameter:
    """Read a parameter from its annotation.

    Parameters
    ----------
    annotation
        A type, or ``Annotated[type, Unit(…), Ge(…), …, "what it is"]``.
    documentation
        Of the function or class, in numpydoc; describes the parameter unless the annotation holds a text.
    """
    form, *marks = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
    return Parameter(
        name=name,
        type=form,
        default=default,
        annotation=annotation,
        unit=next((mark.name for mark in marks if isinstance(mark, Unit)), ""),
        bounds=_bounds(marks),
        choices=_choices(form),
        doc=next((mark for mark in marks if isinstance(mark, str)), "") or _described(name, documentation),
        stage=stage,
        step=step,
    )


def validate(parameter: Parameter, value: Any) -> Any:  # foreign on both sides: written by people, read by user code
    """Return the value to use.

    Raises
    ------
    ParameterError
        If the value has another type or is out of bounds; the text names what is expected.
    """
    from pydantic import ValidationError  # 60 ms

    if isinstance(value, float) and isnan(value):
        raise _refused(parameter, value, "not a number")
    try:
        return _adapter(_Form(parameter.annotation)).validate_python(_prepared(parameter.type, value))
    except ValidationError as error:
        raise _refused(parameter, value, error.errors()[0]["msg"]) from error


class _Form:
    """An annotation as a key: marks such as a list of choices need not be hashable."""

    __slots__ = ("annotation",)

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Form) and self.annotation is other.annotation

    def __hash__(self) -> int:
        return id(self.annotation)


@lru_cache(256)
def _adapter(form: _Form) -> Any:  # TypeAdapter of whatever type; named here, it would be imported here
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError

    try:
        return TypeAdapter(form.annotation, config=ConfigDict(strict=True))
    except PydanticSchemaGenerationError as error:
        raise ParameterError(
            f"{form.annotation} cannot be a parameter; use numbers, text, enums, literals or containers of these"
        ) from error


def _refused(parameter: Parameter, value: Any, reason: str) -> ParameterError:
    reason = reason[:1].lower() + reason[1:]
    return ParameterError(f"{parameter.address}: {value!r} is refused ({reason}); expected {parameter.expects}")


def _prepared(form: Any, value: Any) -> Any:
    """Mend what YAML and JSON cannot say: members of an enum, tuples, paths."""
    if isinstance(form, type) and issubclass(form, Enum):
        return _member(form, value)
    if (form is tuple or get_origin(form) is tuple) and isinstance(value, list):
        return tuple(value)
    return Path(value) if form is Path and isinstance(value, str) else value


def _member(form: type[Enum], value: Any) -> Any:
    if isinstance(value, str) and value in form.__members__:
        return form[value]
    try:
        return form(value)
    except ValueError:
        return value


def _bounds(marks: Iterable[Any]) -> Bounds:
    limits: dict[str, Any] = {}
    for mark in marks:
        if isinstance(mark, annotated_types.GroupedMetadata):
            limits |= _limits(mark)
        else:
            limits |= _limits([mark])
    return Bounds(**limits)


def _limits(marks: Iterable[Any]) -> dict[str, Any]:
    return {_LIMITS[type(mark)]: getattr(mark, _LIMITS[type(mark)]) for mark in marks if type(mark) in _LIMITS}


def _choices(form: Any) -> tuple[Any, ...]:
    if get_origin(form) is Literal:
        return get_args(form)
    return tuple(member.name for member in form) if isinstance(form, type) and issubclass(form, Enum) else ()


def _described(name: str, documentation: str) -> str:
    """Return what a numpydoc ``Parameters`` section says of a name."""
    found = re.search(rf"^{re.escape(name)}(?: *:.*)?\n((?:[ \t]+\S.*\n?)+)", documentation, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""
