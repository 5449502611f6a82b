"""The reducer: a curve that is in the order of the motor's position, in whatever order it was measured.

>>> curve = ByPosition({"x": "µm", "counts": "counts"})
>>> for x, counts in ((3.0, 30), (1.0, 10), (2.0, 20)):
...     curve.reduce({"x": x, "counts": counts})
>>> curve.views["x"].array.tolist(), curve.views["counts"].array.tolist()
([1.0, 2.0, 3.0], [10.0, 20.0, 30.0])
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock import ArrayView, Axis


class ByPosition:
    """Keep the points of a scan sorted, while they come.

    A motor may go back and forth, stop, or be moved to where something is to be seen: the views are always a curve that
    can be drawn from left to right. Points at the same position stay in the order in which they were measured.

    Parameters
    ----------
    columns
        What of each result is kept, by name, each with its unit. The first is what is sorted by.
    """

    def __init__(self, columns: dict[str, str]) -> None:
        self.by, *others = columns
        axis = [Axis(self.by, columns[self.by])]
        # What is named first is what others plot.
        self.views = {name: ArrayView((None,), unit=columns[name], axes=axis) for name in others}
        self.views[self.by] = ArrayView((None,), unit=columns[self.by])

    def reduce(self, point: Mapping[str, Any]) -> None:
        """Put one point where it belongs."""
        row = int(np.searchsorted(self.views[self.by].array, point[self.by], side="right"))
        for name, view in self.views.items():
            _insert(view, row, point[name])


def _insert(view: ArrayView, row: int, value: float) -> None:
    view.append(value)
    view.set(slice(row + 1, None), view.array[row:-1].copy())
    view.set(row, value)
