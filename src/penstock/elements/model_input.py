"""One input of a model: which arrays it takes, and how those of events are made to fit it, or why they do not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ModelInput"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """What a model says of an input.

    >>> entry = ModelInput(name="x", shape=(1, None, 3))
    >>> entry.column([np.zeros((2, 3))] * 5, "camera", "net").shape
    (5, 1, 2, 3)
    >>> entry.column([np.zeros((3, 2))], "camera", "net")
    Traceback (most recent call last):
    ...
    ValueError: camera has shape [3, 2], and input "x" of net takes [1, *, 3] for each event
    """

    name: str
    batch: int | None = None
    """How many events it takes at once, if it insists on that."""
    shape: tuple[int | None, ...] | None = None
    """For each event, ``None`` where any length will do; ``None``: it does not say."""
    dtype: np.dtype[Any] | None = None
    """``None``: it does not say; float32 then."""

    def of_shape(self, shape: Sequence[int]) -> "ModelInput":
        """Return the input with a shape that somebody else knows."""
        return replace(self, shape=tuple(shape))

    def column(self, arrays: Sequence[Any], what: str, model: str) -> NDArray[Any]:
        """Return the arrays of several events as one, (n, …), in the shape that the model takes.

        Axes of length 1 are added in front, as for the one channel of an image, or at the end.

        Raises
        ------
        ValueError
            If they do not fit; the text names both shapes.
        """
        found = [np.asarray(array) for array in arrays]
        shapes = list(dict.fromkeys(array.shape for array in found))
        if len(shapes) > 1:
            raise ValueError(f"{what} has shapes {list(shapes[0])} and {list(shapes[1])}; a batch is of one")
        kinds = {array.dtype.kind for array in found}
        if not kinds <= set("biuf"):
            raise ValueError(f"{what} is of dtype {found[0].dtype}; a model is fed numbers")
        fitting = self._fitting(shapes[0])
        if fitting is None:
            wanted = "[" + ", ".join("*" if size is None else str(size) for size in self.shape or ()) + "]"
            text = f'{what} has shape {list(shapes[0])}, and input "{self.name}" of {model} takes {wanted}'
            raise ValueError(f"{text} for each event")
        return np.stack(found).reshape(len(found), *fitting)

    def converted(
        self, column: NDArray[Any], dtype: np.dtype[Any] | None, scale: float, offset: float, what: str
    ) -> NDArray[Any]:
        """Return numbers as the model takes them, ``(number - offset) * scale``.

        Raises
        ------
        ValueError
            If the model takes whole numbers and these are none, or too large for it.
        """
        wanted = np.dtype(np.float32) if dtype is None else dtype
        if (scale, offset) != (1.0, 0.0):
            through = wanted if wanted.kind == "f" else np.dtype(np.float64)
            column = column.astype(through)
            column = ((column - through.type(offset)) * through.type(scale)).astype(through, copy=False)
        if wanted.kind == "f" or np.can_cast(column.dtype, wanted):
            return np.ascontiguousarray(column, wanted)
        with np.errstate(invalid="ignore"):
            found = column.astype(wanted)
        if not np.array_equal(found, column):
            raise ValueError(f"{what} has numbers that {wanted} cannot hold, and so the model takes them")
        return np.ascontiguousarray(found)

    def _fitting(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        if self.shape is None:
            return shape
        ones = (1,) * (len(self.shape) - len(shape))
        for tried in dict.fromkeys([(*ones, *shape), (*shape, *ones)]):
            if len(tried) == len(self.shape) and all(
                wanted in (None, size) for wanted, size in zip(self.shape, tried, strict=True)
            ):
                return tried
        return None
