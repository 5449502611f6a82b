"""A reducer that publishes a view of every form in which a notebook shows one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.views import ArrayView, Axis

COLUMNS = ("low", "high")
ROWS, WIDTH = 6, 9


class Shown:
    """Every view follows from the number of results alone, so that a reader can reckon what it must see."""

    def __init__(self) -> None:
        self.n = ArrayView((), int, unit="frames", title="Frames")
        self.time = ArrayView((None,), unit="s", axes=("time",))
        self.curve = ArrayView((None,), unit="counts", axes=(Axis("time", "s"),))
        self.bars = ArrayView((5,), int, unit="frames", axes=(Axis("height", "mm", np.arange(5) * 0.5),))
        axes = (Axis("y", "mm", np.arange(ROWS) * 0.1), Axis("x", "mm", np.arange(WIDTH) * 0.1))
        self.map = ArrayView((ROWS, WIDTH), unit="counts", axes=axes, fill=np.nan, title="<Map>")
        self.frames = ArrayView((3, ROWS, WIDTH), axes=("energy", "y", "x"))
        self.table = ArrayView((None, 2), axes=("row", Axis("of", "", np.array(COLUMNS))))

    @property
    def views(self) -> Mapping[str, Any]:
        tree = {name: view for name, view in vars(self).items() if isinstance(view, ArrayView)}
        return {**tree, "name": "<b>Cu & Zn</b>"}

    def reduce(self, value: Any) -> None:
        k = int(self.n.array[()])
        self.n.add((), 1)
        self.time.append(k * 0.25)
        self.curve.append(float(k % 7))
        self.bars.add(k % 5, 1)
        self.map.set((k // WIDTH % ROWS, k % WIDTH), float(k))
        self.frames.add(k % 3, 1.0)
        self.table.append([k, 2 * k])
