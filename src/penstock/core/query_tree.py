"""What a query says, as values: conditions on fields, order, limit and offset. It knows neither text nor records."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

__all__ = [
    "And",
    "Between",
    "Compare",
    "Condition",
    "IsNull",
    "Not",
    "Or",
    "Order",
    "Path",
    "QueryTree",
    "RegExp",
    "Value",
    "Within",
    "paths",
]

Path: TypeAlias = tuple[str | int, ...]
"""The steps to a field of a record: names of mappings, places in lists."""
Value: TypeAlias = bool | int | float | str


class Compare(msgspec.Struct, frozen=True):
    """A field beside a value; ``!=`` is the opposite of ``=``."""

    path: Path
    operator: Literal["=", "!=", "<", "<=", ">", ">="]
    value: Value


class Within(msgspec.Struct, frozen=True):
    """A field that is one of some values, or is not."""

    path: Path
    values: tuple[Value, ...]
    negated: bool = False


class RegExp(msgspec.Struct, frozen=True):
    """A field that is text in which a pattern is found, or is not."""

    path: Path
    pattern: str
    negated: bool = False


class Between(msgspec.Struct, frozen=True):
    """A field from ``low`` to ``high``, both inclusive; negated, below or above them."""

    path: Path
    low: Value
    high: Value
    negated: bool = False


class IsNull(msgspec.Struct, frozen=True):
    """A field that is not there or null, or is neither."""

    path: Path
    negated: bool = False


class Not(msgspec.Struct, frozen=True):
    """The opposite of a condition."""

    condition: "Condition"


class And(msgspec.Struct, frozen=True):
    """All of two or more conditions."""

    conditions: tuple["Condition", ...]


class Or(msgspec.Struct, frozen=True):
    """At least one of two or more conditions."""

    conditions: tuple["Condition", ...]


Condition: TypeAlias = Compare | Within | RegExp | Between | IsNull | Not | And | Or


class Order(msgspec.Struct, frozen=True):
    """A field to sort by."""

    path: Path
    descending: bool = False


class QueryTree(msgspec.Struct, frozen=True):
    """A whole query."""

    condition: Condition | None = None
    """``None``: every record."""
    order: tuple[Order, ...] = ()
    """The first field counts most; empty: as the records come."""
    limit: int | None = None
    """How many records at most; ``None``: all."""
    offset: int = 0
    """How many records are left out first."""


def paths(tree: QueryTree) -> Iterator[Path]:
    """Yield the fields that a query looks at, as often as it names them, from left to right."""
    if tree.condition is not None:
        yield from _paths(tree.condition)
    yield from (order.path for order in tree.order)


def _paths(condition: Condition) -> Iterator[Path]:
    match condition:
        case And(conditions) | Or(conditions):
            for each in conditions:
                yield from _paths(each)
        case Not(inner):
            yield from _paths(inner)
        case _:
            yield condition.path
