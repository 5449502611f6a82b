"""The reducer: what was measured, at the positions where it was measured, in whatever order and on whatever path.

>>> here = ScanMap(rows=2, columns=3, step_um=1.0)
>>> for x, bright in ((-1.1, 5), (-0.9, 7), (0.2, 3), (9.0, 1)):
...     here.reduce({"y": 0.4, "x": x, "bright": bright, "dark": 0, "shift_y": 0.0, "shift_x": 0.0})
>>> here.views["map"]["bright"].array
array([[nan, nan, nan],
       [ 6.,  3., nan]])
>>> here.views["outside"], here.views["points"]["x"].array
(1, array([-1.1, -0.9,  0.2,  9. ]))
"""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt

from penstock import ArrayView, Axis, Unit

MEASURED = {"bright": "counts", "dark": "counts", "shift_y": "px", "shift_x": "px"}


class ScanMap:
    """A mean for each cell of a grid, so a spiral is drawn as well as a mesh; and every point as it was.

    Parameters
    ----------
    rows, columns, step_um
        The grid, around 0.
    """

    def __init__(
        self,
        rows: Annotated[int, Ge(1)],
        columns: Annotated[int, Ge(1)],
        step_um: Annotated[float, Unit("µm"), Gt(0), "of a cell"] = 0.5,
    ) -> None:
        self.shape, self.step_um = (rows, columns), step_um
        y, x = ((np.arange(length) - (length - 1) / 2) * step_um for length in self.shape)
        axes = [Axis("y", "µm", y), Axis("x", "µm", x)]
        self.maps = {name: ArrayView(self.shape, unit=unit, axes=axes, fill=np.nan) for name, unit in MEASURED.items()}
        self.hits = ArrayView(self.shape, "u4", unit="points", axes=axes, title="points in a cell")
        self.points = {name: ArrayView((None,), unit=unit) for name, unit in {"y": "µm", "x": "µm", **MEASURED}.items()}
        self.views: dict[str, Any] = {"map": {**self.maps, "hits": self.hits}, "points": self.points, "outside": 0}

    def reduce(self, point: dict[str, Any]) -> None:
        """Put one point where it was measured."""
        for name, view in self.points.items():
            view.append(point[name])
        place = np.array([point["y"], point["x"]]) / self.step_um + np.array(self.shape) / 2
        row, column = np.floor(place).astype(int).tolist()
        if not (0 <= row < self.shape[0] and 0 <= column < self.shape[1]):
            self.views["outside"] += 1
            return
        self.hits.add((row, column), 1)
        count = int(self.hits.array[row, column])
        for name, view in self.maps.items():
            before = view.array[row, column] if count > 1 else 0.0
            view.set((row, column), before + (point[name] - before) / count)
