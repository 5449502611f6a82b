"""Makes functions of a query's conditions: each takes a record and says whether it fits. It knows no text."""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from penstock.core.query_pattern import searcher
from penstock.core.query_tree import And, Between, Compare, Condition, IsNull, Not, Or, Path, RegExp, Value, Within

__all__ = ["Fits", "Record", "field", "plain", "predicate"]

Record: TypeAlias = Mapping[str, Any]
"""What is known of a message; its values are whatever metadata holds."""
Fits: TypeAlias = Callable[[Record], bool]
_Test: TypeAlias = Callable[[Any], bool]
"""Says whether the value of a field fits; ``None`` is what is missing."""
_Kinds: TypeAlias = frozenset[type]

_NUMBER: _Kinds = frozenset({int, float})
_TEXT: _Kinds = frozenset({str})
_TRUTH: _Kinds = frozenset({bool})
# Turned, because the value of the query is bound first: "found < 5" is "5 > found".
_HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.eq, "<": operator.gt, "<=": operator.ge, ">": operator.lt, ">=": operator.le,
}  # fmt: skip


def predicate(condition: Condition) -> Fits:
    """Return a function that tells whether a condition holds for a record; it raises nothing."""
    match condition:
        case And(conditions):
            return _all([predicate(each) for each in conditions])
        case Or(conditions):
            return _any([predicate(each) for each in conditions])
        case Not(inner):
            return _opposite(predicate(inner))
        case IsNull(path, negated):
            get = field(path)
            return (lambda record: get(record) is not None) if negated else (lambda record: get(record) is None)
        case Between(path, low, high, negated):
            return _on(path, _range_test(low, high, negated=negated))
        case Compare(path, sign, value):
            fits = _on(path, _test(_kinds(value), _bound(_HOLDS[sign], value)))
            return _opposite(fits) if sign == "!=" else fits
        case Within(path, values, negated):
            fits = _on(path, _within_test(values))
            return _opposite(fits) if negated else fits
        case RegExp(path, pattern, negated):
            fits = _on(path, _test(_TEXT, searcher(pattern)))
            return _opposite(fits) if negated else fits


def field(path: Path) -> Callable[[Record], Any]:
    """Return a function that takes a field out of a record; ``None`` if it is not there."""
    first, *rest = path

    def one(record: Record) -> Any:
        return record.get(first)  # type: ignore[arg-type]  # a path begins with a name

    def names(record: Record) -> Any:
        found = record.get(first)  # type: ignore[arg-type]
        for step in rest:
            found = found.get(step) if type(found) is dict else _descended(found, step)
        return found

    def mixed(record: Record) -> Any:
        found = record.get(first)  # type: ignore[arg-type]
        for step in rest:
            found = _descended(found, step)
        return found

    if not rest:
        return one
    return names if all(isinstance(step, str) for step in rest) else mixed


def plain(found: Any) -> Any:
    """Return a value in Python's own type, if it has one: NumPy's scalars, enumerations and the like become plain."""
    match found:
        case np.generic():
            return found.item()
        case bool() | None:
            return found
        case int():
            return int(found)
        case float():
            return float(found)
        case str():
            return str.__str__(found)  # str() of an enumeration would be its name
        case _:
            return found


def _descended(found: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return found.get(step) if isinstance(found, Mapping) else None
    is_list = isinstance(found, list | tuple) or (isinstance(found, np.ndarray) and found.ndim > 0)
    return found[step] if is_list and step < len(found) else None


def _on(path: Path, test: _Test) -> Fits:
    get = field(path)
    return lambda record: test(get(record))


def _test(kinds: _Kinds, holds: _Test) -> _Test:
    """Return a test of values of some types; of a list it asks whether an element fits, as MongoDB does."""

    def test(found: Any) -> bool:
        if type(found) in kinds:
            return holds(found)
        if found is None:
            return False
        return any(type(each) in kinds and holds(each) for each in _elements(found))

    return test


def _elements(found: Any) -> Iterable[Any]:
    if isinstance(found, np.ndarray):
        found = found.tolist()
    return map(plain, found) if isinstance(found, list | tuple) else (plain(found),)


def _range_test(low: Any, high: Any, *, negated: bool) -> _Test:
    if negated:
        return _test(_kinds(low), lambda found: bool(found < low or found > high))
    return _test(_kinds(low), lambda found: bool(low <= found <= high))


def _within_test(values: tuple[Value, ...]) -> _Test:
    # Apart, because Python holds 1 and True for the same.
    truths = frozenset(each for each in values if isinstance(each, bool))
    others = frozenset(each for each in values if not isinstance(each, bool))
    tests = []
    if others:
        tests.append(_test(frozenset().union(*map(_kinds, others)), others.__contains__))
    if truths:
        tests.append(_test(_TRUTH, truths.__contains__))
    return tests[0] if len(tests) == 1 else lambda found: any(test(found) for test in tests)


def _kinds(value: Value) -> _Kinds:
    return _TRUTH if isinstance(value, bool) else _TEXT if isinstance(value, str) else _NUMBER


def _bound(holds: Callable[[Any, Any], bool], value: Value) -> _Test:
    return lambda found: holds(value, found)


def _all(fits: list[Fits]) -> Fits:
    if len(fits) == 2:
        left, right = fits
        return lambda record: left(record) and right(record)
    return lambda record: all(each(record) for each in fits)


def _any(fits: list[Fits]) -> Fits:
    if len(fits) == 2:
        left, right = fits
        return lambda record: left(record) or right(record)
    return lambda record: any(each(record) for each in fits)


def _opposite(fits: Fits) -> Fits:
    return lambda record: not fits(record)
