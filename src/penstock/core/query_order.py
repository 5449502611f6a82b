"""The order that a query asks for: one key a record, so that sorting looks at each field once."""

from collections.abc import Callable, Sequence
from math import isnan
from typing import Any

from penstock.core.query_predicate import Record, field, plain
from penstock.core.query_tree import Order

__all__ = ["sort_key"]


def sort_key(orders: Sequence[Order]) -> Callable[[Record], Any]:
    """Return a function that gives a record's key, for a sort in the direction of the first field.

    Values of different types come in the order missing or null, not a number, numbers, texts, truth values, all others;
    the others, such as lists, are equal among themselves.
    """
    fields = [(field(order.path), order.descending != orders[0].descending) for order in orders]
    if len(fields) == 1:
        get = fields[0][0]
        return lambda record: _ranked(get(record))
    return lambda record: tuple(
        _Turned(_ranked(get(record))) if turned else _ranked(get(record)) for get, turned in fields
    )


class _Turned:
    """A key that comes first where it would have come last; tuples and heaps ask for ``==`` and ``<`` only."""

    __slots__ = ("_key",)

    def __init__(self, key: tuple[int, Any]) -> None:
        self._key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Turned) and self._key == other._key

    def __lt__(self, other: "_Turned") -> bool:
        return other._key < self._key

    __hash__ = None  # type: ignore[assignment]  # a key is sorted by, not looked up


def _ranked(found: Any) -> tuple[int, Any]:
    value = plain(found)
    match value:
        case None:
            return 0, 0
        case bool():
            return 4, value
        case int():
            return 2, value
        case float():
            return (1, 0) if isnan(value) else (2, value)
        case str():
            return 3, value
        case _:
            return 5, 0
