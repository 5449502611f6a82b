"""When an item happened, as one of its fields says; for steps that go by the data's time and not by the clock's."""

from math import isfinite
from typing import Any, Final

import numpy as np

from penstock.core.timestamp import NS_PER_S, Timestamp
from penstock.elements.item_field import field_of

__all__ = ["interval_ns", "time_ns_of"]

_LAST_NS: Final = 2**63 - 1
"""The year 2262. What is later was in another unit."""


def time_ns_of(item: Any, path: str) -> int:  # any item
    """Return a field as a time in nanoseconds.

    Whole numbers are nanoseconds, numbers with a fraction's type are seconds, as ``time.time_ns`` and ``time.time``
    give them; a ``Timestamp`` is what it is. Where they begin does not matter.

    >>> time_ns_of({"t": 1.5}, "t"), time_ns_of({"t": 1500}, "t"), time_ns_of({"t": Timestamp(7)}, "t")
    (1500000000, 1500, 7)

    Raises
    ------
    LookupError
        If there is no such field.
    ValueError
        If it is no time.
    """
    value = field_of(item, path)
    if type(value) is int:
        ns = value
    elif isinstance(value, Timestamp):
        ns = value.ns
    elif isinstance(value, int | np.integer) and not isinstance(value, bool):
        ns = int(value)
    elif isinstance(value, float | np.floating) and isfinite(value):
        ns = round(float(value) * NS_PER_S)
    else:
        raise ValueError(f'field "{path}" is {value!r}, no time; {_WRITTEN}')
    if not -_LAST_NS <= ns <= _LAST_NS:
        raise ValueError(f'field "{path}" is {value!r}, a time beyond the year 2262; {_WRITTEN}')
    return ns


_WRITTEN = "whole numbers are nanoseconds, numbers with a fraction seconds"


def interval_ns(name: str, seconds: float) -> int:
    """Return an argument in seconds as nanoseconds.

    Raises
    ------
    ValueError
        If it is not more than a nanosecond, or not finite.
    """
    if not isfinite(seconds) or round(seconds * NS_PER_S) < 1:
        raise ValueError(f"{name} is {seconds}; write seconds above 0, such as {name}: 1")
    return round(seconds * NS_PER_S)
