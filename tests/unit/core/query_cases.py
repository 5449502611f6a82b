"""Queries and records by chance, the text of a query, and a plain second way to answer it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key
from typing import Any

from hypothesis import strategies as st

from penstock.core.query_tree import (
    And,
    Between,
    Compare,
    Condition,
    IsNull,
    Not,
    Or,
    Order,
    Path,
    QueryTree,
    RegExp,
    Value,
    Within,
)

__all__ = ["answer", "fits", "queries", "records", "written"]

NAMES = ["_id", "name", "meta", "roi", "AND", "a.b", 'say "x"', "größe", ""]
WORDS = ["", "a", "ab", "it's", "B", "''"]
PATTERNS = ["^a", "b$", "'", "[A-Z]", "^$"]

numbers = st.one_of(
    st.integers(-3, 3), st.sampled_from([-1.5, 0.0, 2.0, 1e300, 1.5e-7]), st.just(2**64), st.integers(), st.floats()
)
values: st.SearchStrategy[Value] = st.one_of(
    st.integers(-3, 3), st.sampled_from([-1.5, 2.0, 1e300, 2**70]), st.sampled_from(WORDS), st.booleans()
)
paths: st.SearchStrategy[Path] = st.builds(
    lambda first, rest: (first, *rest),
    st.sampled_from(NAMES),
    st.lists(st.one_of(st.sampled_from(NAMES), st.integers(0, 2)), max_size=3),
)
leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Compare, paths, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), values),
    st.builds(Within, paths, st.lists(values, min_size=1, max_size=4).map(tuple), st.booleans()),
    st.builds(RegExp, paths, st.sampled_from(PATTERNS), st.booleans()),
    st.builds(Between, paths, st.integers(-3, 3), st.sampled_from([0, 1.5]), st.booleans()),
    st.builds(Between, paths, st.sampled_from(WORDS), st.sampled_from(WORDS), st.booleans()),
    st.builds(IsNull, paths, st.booleans()),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: And(tuple(each))),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: Or(tuple(each))),
    ),
    max_leaves=6,
)
queries = st.builds(
    QueryTree,
    st.none() | conditions,
    st.lists(st.builds(Order, paths, st.booleans()), max_size=3).map(tuple),
    st.none() | st.integers(0, 5),
    st.integers(0, 3),
)
found = st.recursive(
    st.one_of(numbers, st.sampled_from(WORDS), st.booleans(), st.none(), st.just(b"a")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4), st.tuples(inner)
    ),
    max_leaves=12,
)
records = st.dictionaries(st.sampled_from(NAMES), found, max_size=5)


def written(query: QueryTree, spell: Callable[[str], str] = str) -> str:
    """Return the text of a query, each of its keywords spelt in some way."""
    parts = [] if query.condition is None else [_condition(query.condition, spell)]
    if query.order:
        fields = [f"{_path(each.path)} {spell('DESC') if each.descending else ''}" for each in query.order]
        parts.append(f"{spell('ORDER BY')} {', '.join(fields)}")
    parts += [] if query.limit is None else [f"{spell('LIMIT')} {query.limit}"]
    parts += [f"{spell('OFFSET')} {query.offset}"] if query.offset else []
    return " ".join(parts)


def _condition(condition: Condition, spell: Callable[[str], str]) -> str:
    def said(negated: bool, keyword: str) -> str:
        return spell(f"NOT {keyword}" if negated else keyword)

    match condition:
        case And(each) | Or(each):
            joined = spell(" AND " if isinstance(condition, And) else " OR ")
            return joined.join(f"({_condition(one, spell)})" for one in each)
        case Not(one):
            return f"{spell('NOT')}({_condition(one, spell)})"
        case Compare(path, operator, value):
            return f"{_path(path)}{operator}{_value(value)}"
        case Within(path, of, negated):
            return f"{_path(path)} {said(negated, 'IN')} ({','.join(map(_value, of))})"
        case RegExp(path, pattern, negated):
            return f"{_path(path)} {said(negated, 'REGEXP')} {_value(pattern)}"
        case Between(path, low, high, negated):
            return f"{_path(path)} {said(negated, 'BETWEEN')} {_value(low)} {spell('AND')} {_value(high)}"
        case IsNull(path, negated):
            return f"{_path(path)} {spell('IS NOT NULL' if negated else 'IS NULL')}"


def _path(path: Path) -> str:
    quoted = [f"[{step}]" if isinstance(step, int) else '."' + step.replace('"', '""') + '"' for step in path]
    return "".join(quoted)[1:]


def _value(value: Value) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def answer(query: QueryTree, given: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what a query selects, found out as plainly as can be."""

    def compared(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
        for order in query.order:
            keys = [_rank(_lookup(each, order.path)) for each in (one, other)]
            if keys[0] != keys[1]:
                return (-1 if keys[0] < keys[1] else 1) * (-1 if order.descending else 1)
        return 0

    fitting = [each for each in given if query.condition is None or fits(query.condition, each)]
    ordered = sorted(fitting, key=cmp_to_key(compared))
    return ordered[query.offset :][: query.limit]


def fits(condition: Condition, record: Mapping[str, Any]) -> bool:
    """Tell whether a condition holds."""
    match condition:
        case And(each):
            return all(fits(one, record) for one in each)
        case Or(each):
            return any(fits(one, record) for one in each)
        case Not(one):
            return not fits(one, record)
        case IsNull(path, negated):
            return (_lookup(record, path) is None) != negated
    here = _lookup(record, condition.path)
    elements = list(here) if isinstance(here, list | tuple) else [here]
    match condition:
        case Compare(_, "!=", value):
            return all(not _is(each, "=", value) for each in elements)
        case Compare(_, operator, value):
            return any(_is(each, operator, value) for each in elements)
        case Within(_, of, negated):
            return any(_is(each, "=", value) for each in elements for value in of) != negated
        case Between(_, low, high, False):
            return any(_is(each, ">=", low) and _is(each, "<=", high) for each in elements)
        case Between(_, low, high, True):
            return any(_is(each, "<", low) or _is(each, ">", high) for each in elements)
        case RegExp(_, pattern, negated):
            return any(isinstance(each, str) and _found(pattern, each) for each in elements) != negated
    raise AssertionError(condition)


def _found(pattern: str, text: str) -> bool:
    return {
        "^a": text.startswith("a"),
        "b$": text.endswith("b"),
        "'": "'" in text,
        "[A-Z]": any("A" <= each <= "Z" for each in text),
        "^$": text == "",
    }[pattern]


def _is(here: Any, operator: str, value: Value) -> bool:
    if _type(here) != _type(value):
        return False
    return bool(
        {"=": here == value, "<": here < value, "<=": here <= value, ">": here > value, ">=": here >= value}[operator]
    )


def _type(value: Any) -> str:
    names = {bool: "truth", int: "number", float: "number", str: "text"}
    return names.get(type(value), "other")


def _rank(here: Any) -> tuple[int, Any]:
    if here is None:
        return 0, 0
    if here != here:
        return 1, 0
    rank = {"number": 2, "text": 3, "truth": 4, "other": 5}[_type(here)]
    return rank, 0 if rank == 5 else here


def _lookup(record: Any, path: Path) -> Any:
    here = record
    for step in path:
        is_right = isinstance(here, dict) if isinstance(step, str) else isinstance(here, list | tuple)
        if not is_right:
            return None
        try:
            here = here[step]
        except LookupError:
            return None
    return here
