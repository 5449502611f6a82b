"""The result: what a worker returned for one event, with what is needed to place and to repeat it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Result", "ResultBatch"]


class Result(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One value a map stage gave; reducers and further workers get it whole if they annotate it so.

    Fields may be given by position because millions of them are made by ``map``; write keywords by hand.
    """

    number: int
    """Of the event, or the id of the message, it was made from."""
    value: Any
    """What user code returned; never ``None``, which means that there is no result."""
    revision: int = 0
    """Of the parameters the user code saw."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResultBatch:
    """Results of one map stage, in the order of their events, as ``reduce_batch`` gets them.

    How many there are differs from call to call and from run to run.
    """

    numbers: NDArray[np.int64]
    """(n,), the number of each event, or the id of each message; ascending, not dense where there were no results."""
    values: Sequence[Any] | NDArray[Any]
    """n values. One array, (n, …), where all are NumPy numbers of one type, or arrays of one dtype and shape; that is
    read-only or a copy. Otherwise a list."""
    revision: int = 0
    """Of the parameters the user code saw; one for all."""

    def __len__(self) -> int:
        return len(self.numbers)
