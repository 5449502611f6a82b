"""Parameters and frozen arguments as annotations declare them, and the validation of their values by pydantic.

Strict on purpose: a number typed with a comma, or ``True`` for a number, is refused, never guessed at.
"""

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from math import isnan
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from penstock.core.parameter import Bounds, Parameter, Section, Unit
from penstock.errors import ParameterError
from penstock.extra import extra

with extra("run"):
    import annotated_types

__all__ = ["as_annotated", "check_argument", "names_file", "parameter_of", "unmarked", "validate"]

LONGEST_SHOWN = 500
"""Characters of a refused value that are repeated."""
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
        section=next((mark.name for mark in marks if isinstance(mark, Section)), ""),
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
    if isinstance(value, float) and isnan(value):
        raise _refused(parameter, value, "not a number")
    return _valid(parameter, value)


def check_argument(argument: Parameter, value: Any) -> None:  # foreign on both sides
    """Hold a frozen argument against its annotation.

    What pydantic does not know is held against its class; a form that has none lets anything pass. NaN is a float.

    Raises
    ------
    ParameterError
        As `validate`.
    """
    try:
        _valid(argument, value)
    except _UnknownFormError:
        if not _may_be(argument.type, value):
            raise _refused(argument, value, f"it is of the type {type(value).__name__}") from None


def as_annotated(annotation: Any, value: Any) -> Any:  # foreign on both sides
    """Return what is meant where an annotation asks for what YAML and JSON cannot say; anything else as it is.

    >>> as_annotated(list[tuple[int, int]], [[0, 3], [5, 9]])
    [(0, 3), (5, 9)]
    >>> as_annotated(Path | None, "mask.npy").suffix
    '.npy'
    >>> as_annotated(NDArray[np.float64], [[1, 2], [3, 4]]).shape
    (2, 2)

    Of an array the name of an ``.npy`` file, too.
    """
    form = unmarked(annotation)
    origin, inner = get_origin(form) or form, get_args(form)
    if origin in (Union, UnionType):
        others = [each for each in inner if each is not NoneType]
        return as_annotated(others[0], value) if value is not None and len(others) == 1 else value
    if origin is np.ndarray and isinstance(value, list | np.ndarray):
        return _as_array(value, form)
    if origin is np.ndarray and _is_array_file(value):
        return _array_of_file(value, form)
    if isinstance(value, list) and origin is tuple:
        return tuple(_each_as_annotated(_of_items(inner, len(value)), value))
    if isinstance(value, list) and origin is list and inner:
        meant = _each_as_annotated(inner * len(value), value)
        # The same list if nothing is to be changed: the caller may look at what user code puts into it.
        return value if all(a is b for a, b in zip(meant, value, strict=True)) else meant
    if isinstance(origin, type) and issubclass(origin, Enum):
        return _member(origin, value)
    if origin is Path and isinstance(value, str):
        return Path(value)
    return value.item() if origin in (bool, int, float) and isinstance(value, np.number | np.bool_) else value


def unmarked(annotation: Any) -> Any:  # any typing form
    """Return an annotation without its ``Annotated`` marks."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


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
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    try:
        return TypeAdapter(form.annotation)
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError) as error:
        raise _unknown(form.annotation) from error


def _valid(parameter: Parameter, value: Any) -> Any:  # as `validate`
    form = _array_form(parameter.type)
    if form is not None:
        may_be_none = form is not parameter.type
        return None if value is None and may_be_none else _valid_array(parameter, form, as_annotated(form, value))
    from pydantic import ValidationError  # 60 ms
    from pydantic.errors import PydanticUserError

    adapter = _adapter(_Form(parameter.annotation))
    try:
        return adapter.validate_python(as_annotated(parameter.type, value), strict=True)
    except ValidationError as error:
        raise _refused(parameter, value, error.errors()[0]["msg"]) from error
    except (PydanticUserError, TypeError) as error:  # a name that is not defined; a bound on what has no order
        raise _unknown(parameter.annotation) from error


def _array_form(form: Any) -> Any:  # any typing form
    """Return what of an annotation is an array; ``None`` if nothing is."""
    others = [each for each in get_args(form) if each is not NoneType] if get_origin(form) in (Union, UnionType) else []
    found = others[0] if len(others) == 1 else form
    return found if (get_origin(found) or found) is np.ndarray else None


def _is_array_file(value: Any) -> bool:
    return isinstance(value, str | Path) and str(value).endswith(".npy")


def _array_of_file(path: Any, form: Any) -> Any:
    """Return the array of a file, or the path if it holds none of that kind."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return path
    array = _as_array(found, form)
    return path if array is found else array


def names_file(parameter: Parameter, value: Any) -> bool:
    """Whether a value that was written for a parameter is the name of a file.

    >>> names_file(parameter_of("dark", NDArray[np.float64] | None, None), "dark.npy")
    True
    """
    forms = {get_origin(unmarked(form)) or unmarked(form) for form in (parameter.type, *get_args(parameter.type))}
    return (Path in forms and isinstance(value, str)) or (np.ndarray in forms and _is_array_file(value))


def _dtype_of(form: Any) -> np.dtype[Any] | None:
    """Return the dtype of an annotation such as ``NDArray[np.float64]``; ``None`` if any will do."""
    inner = get_args(get_args(form)[1]) if get_args(form) else ()
    return np.dtype(inner[0]) if inner and isinstance(inner[0], type) and inner[0] not in (np.generic, Any) else None


def _as_array(value: Any, form: Any) -> Any:
    """Return an array of one's own that nobody changes, or the value if it cannot be one."""
    dtype = _dtype_of(form)
    try:
        array = np.array(value)
        if array.dtype.kind not in "biufc" or (dtype is not None and not np.can_cast(array.dtype, dtype, "same_kind")):
            return value
        array = array.astype(dtype or array.dtype, copy=False)
    except (ValueError, OverflowError):
        return value
    array.flags.writeable = False
    return array


def _valid_array(parameter: Parameter, form: Any, value: Any) -> NDArray[Any]:
    if _is_array_file(value):
        raise _refused(parameter, value, f"there is no such file of a regular array of {_dtype_of(form) or 'numbers'}")
    if not isinstance(value, np.ndarray):
        raise _refused(parameter, value, f"it is no regular array of {_dtype_of(form) or 'numbers'}")
    for is_wrong, limit in (
        (np.less, parameter.bounds.ge), (np.less_equal, parameter.bounds.gt),
        (np.greater, parameter.bounds.le), (np.greater_equal, parameter.bounds.lt),
    ):  # fmt: skip
        if limit is not None and (wrong := is_wrong(value, limit)).any():
            first = tuple(int(at) for at in np.argwhere(wrong)[0])
            raise _refused(parameter, value, f"{value[first]} at {list(first)} is out of bounds")
    return value


class _UnknownFormError(ParameterError):
    """An annotation by which no value can be validated."""


def _unknown(annotation: Any) -> _UnknownFormError:
    return _UnknownFormError(
        f"{annotation} cannot be a parameter; use numbers, text, enums, literals or containers of these"
    )


def _may_be(form: Any, value: Any) -> bool:
    origin = get_origin(form) or form
    if not isinstance(origin, type) or origin is UnionType:
        return True
    try:
        return isinstance(value, origin)
    except TypeError:  # a protocol that cannot be asked at run time
        return True


def _refused(parameter: Parameter, value: Any, reason: str) -> ParameterError:
    reason = reason[:1].lower() + reason[1:]
    text = repr(value)
    text = text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."
    return ParameterError(f"{parameter.address}: {text} is refused ({reason}); expected {parameter.expects}")


def _of_items(forms: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """Return the form of each item of a tuple; of items that are not foreseen, any."""
    if len(forms) == 2 and forms[1] is Ellipsis:
        return (forms[0],) * count
    return (*forms[:count], *[Any] * (count - len(forms)))


def _each_as_annotated(forms: tuple[Any, ...], values: list[Any]) -> list[Any]:
    return [as_annotated(form, value) for form, value in zip(forms, values, strict=True)]


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
