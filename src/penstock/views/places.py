"""Where the elements of a view lie in a drawing, and how its values become colours; nothing here draws."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.views.array_view import Axis

__all__ = ["PEAKED", "edges_of", "is_peaked", "label_of", "step_of"]

PEAKED: Final = 100
"""How many times its median the largest value of a map must be for a logarithmic scale."""


def label_of(axis: Axis) -> str:
    """Return what stands at an axis.

    >>> label_of(Axis("energy", "keV"))
    'energy (keV)'
    """
    return f"{axis.name} ({axis.unit})" if axis.unit else axis.name


def step_of(axis: Axis, length: int) -> float:
    """Return the step of equidistant values, 0 if they are not."""
    if axis.values is None:
        return 1.0
    if length < 2 or not np.issubdtype(np.asarray(axis.values).dtype, np.number):
        return 0.0
    steps = np.diff(np.asarray(axis.values, float))
    mean = float(steps.mean())
    return mean if mean and bool(np.all(np.abs(steps - mean) < 0.05 * abs(mean))) else 0.0


def edges_of(axis: Axis, length: int) -> tuple[float, float]:
    """Return where the first element begins and the last one ends, of an axis with equal steps."""
    if axis.values is None:
        return -0.5, length - 0.5
    half = step_of(axis, length) / 2
    return float(axis.values[0]) - half, float(axis.values[-1]) + half


def is_peaked(known: NDArray[Any]) -> bool:
    """Whether a few bright spots would leave the rest dark; ``known``: the values that are there, in one dimension."""
    return bool(known.size and known.min() >= 0 and known.max() > PEAKED * np.median(known) > 0)
