"""The reducer: put every point where it was measured, and add up the patterns of all."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt

from penstock import ArrayView, Axis, Event, Unit

from ring import RADII


class Sample:
    """A map of the sample, and its powder pattern."""

    def __init__(
        self,
        rows: Annotated[int, Ge(1)],
        columns: Annotated[int, Ge(1)],
        step_um: Annotated[float, Unit("µm"), Gt(0), "between two points"] = 0.5,
    ) -> None:
        self.y, self.x = ((np.arange(length) - (length - 1) / 2) * step_um for length in (rows, columns))
        axes = [Axis("y", "µm", self.y), Axis("x", "µm", self.x)]
        self.map = ArrayView((rows, columns), unit="counts", axes=axes, fill=np.nan, title="the ring")
        axes = [Axis("radius", "px", RADII + 0.5)]
        self.pattern = ArrayView((len(RADII),), unit="counts/px", axes=axes, title="all points")
        self.views: dict[str, Any] = {"map": self.map, "pattern": self.pattern}

    def start(self, event: Event) -> None:
        """Before the first point: note what the camera calls this series of images."""
        if event["camera"] is not None:
            self.views["series"] = event["camera"].metadata["filename"]

    def reduce(self, point: dict[str, Any]) -> None:
        """Take in what a worker returned for one point."""
        row, column = abs(self.y - point["y"]).argmin(), abs(self.x - point["x"]).argmin()
        self.map.set((row, column), point["counts"])
        self.pattern.add(..., point["pattern"])

    def end(self, event: Event) -> None:
        """After the last point: say where the pattern is brightest."""
        self.views["brightest_px"] = float(RADII[self.pattern.array.argmax()] + 0.5)
