"""Running mean, spread and extremes."""

from math import isnan
from typing import Any

import numpy as np

from penstock.core.message import Message
from penstock.elements.item_field import field_of, number_of

__all__ = ["Statistics"]


class Statistics:
    """Say of each item's value how many there were, their mean, standard deviation and extremes, itself included.

    A list or tuple, such as a window gives, is taken by itself: the statistics are those of what is in it. NaN is left
    out, of arrays element by element. The sums are Welford's, which stay exact over many items.

    >>> statistics = Statistics("I0")
    >>> statistics({"I0": 1})
    {'n': 1, 'mean': 1.0, 'std': nan, 'min': 1.0, 'max': 1.0}
    >>> statistics([{"I0": 1}, {"I0": 3}])
    {'n': 2, 'mean': 2.0, 'std': 1.4142135623730951, 'min': 1.0, 'max': 3.0}

    Parameters
    ----------
    field
        The field that is looked at; needless for plain numbers, arrays and the arrays of messages. Arrays have
        statistics element by element, and all have one shape.
    """

    def __init__(self, field: str = "") -> None:
        self._field = field
        self._running: _OfNumbers | _OfArrays | None = None

    def __call__(self, item: Any) -> dict[str, Any]:
        """Return ``n``, ``mean``, ``std`` (of a sample, NaN of one value), ``min`` and ``max``.

        They are numbers, or arrays of the values' shape, float64; ``n`` of arrays is how many came. Of no value at all
        they are NaN.

        Raises
        ------
        ValueError
            If an array has another shape than those before it, or something is no number.
        """
        if isinstance(item, (list, tuple)):
            own: _OfNumbers | _OfArrays | None = None
            for each in item:
                own = self._taken(own, each)
            return (own or _OfNumbers()).said()
        self._running = self._taken(self._running, item)
        return self._running.said()

    def _taken(self, so_far: "_OfNumbers | _OfArrays | None", item: Any) -> "_OfNumbers | _OfArrays":
        value = field_of(item, self._field) if self._field else item
        value = value.array if isinstance(value, Message) else value
        if isinstance(value, np.ndarray) and value.ndim:
            statistics = so_far if so_far is not None else _OfArrays(value.shape)
            if not isinstance(statistics, _OfArrays) or statistics.shape != value.shape:
                raise ValueError(f"an array of shape {value.shape} after values of shape {statistics.shape}")
            statistics.take(value)
            return statistics
        numbers = so_far if so_far is not None else _OfNumbers()
        if not isinstance(numbers, _OfNumbers):
            raise ValueError(f"a number after arrays of shape {numbers.shape}")
        numbers.take(number_of(value, self._field))
        return numbers


class _OfNumbers:
    shape = ()

    def __init__(self) -> None:
        self._n = 0
        self._mean = 0.0
        self._squares = 0.0
        self._least, self._most = float("nan"), float("nan")

    def take(self, value: float) -> None:
        if isnan(value):
            return
        self._n += 1
        difference = value - self._mean
        self._mean += difference / self._n
        self._squares += difference * (value - self._mean)
        self._least = value if not self._least <= value else self._least
        self._most = value if not self._most >= value else self._most

    def said(self) -> dict[str, Any]:
        n, nan = self._n, float("nan")
        std = (self._squares / (n - 1)) ** 0.5 if n > 1 else nan
        return {"n": n, "mean": self._mean if n else nan, "std": std, "min": self._least, "max": self._most}


class _OfArrays:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._items = 0
        self._n = np.zeros(shape, np.int64)
        self._mean = np.zeros(shape)
        self._squares = np.zeros(shape)
        self._least, self._most = np.full(shape, np.nan), np.full(shape, np.nan)

    def take(self, array: Any) -> None:
        value = np.asarray(array, np.float64)
        there = ~np.isnan(value)
        self._items += 1
        self._n += there
        with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, and may be
            difference = np.where(there, value - self._mean, 0.0)
            self._mean += difference / np.maximum(self._n, 1)
            self._squares += np.where(there, difference * (value - self._mean), 0.0)
        self._least, self._most = np.fmin(self._least, value), np.fmax(self._most, value)

    def said(self) -> dict[str, Any]:
        n = self._n
        std = np.where(n > 1, np.sqrt(self._squares / np.maximum(n - 1, 1)), np.nan)
        mean = np.where(n > 0, self._mean, np.nan)
        return {"n": self._items, "mean": mean, "std": std, "min": self._least.copy(), "max": self._most.copy()}
