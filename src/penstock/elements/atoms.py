"""The values of the closed list that hold no others and cannot be changed."""

from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np

from penstock.core.timestamp import Timestamp

__all__ = ["are_atoms", "is_atom"]

_ATOMS: Final[frozenset[type]] = frozenset(
    {type(None), bool, int, float, complex, str, bytes, datetime, date, timedelta, Timestamp}
    # a void may be a view of a row of an array, and change
    | {kind for kind in np.sctypeDict.values() if kind not in (np.object_, np.void)}
)


def is_atom(value: Any) -> bool:
    """Whether a value is one."""
    return type(value) in _ATOMS


def are_atoms(values: Any) -> bool:  # any collection
    """Whether each of many values is one."""
    return set(map(type, values)) <= _ATOMS
