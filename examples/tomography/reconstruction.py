"""The reducer: the sinogram, and a slice of the sample that gets sharper with every projection."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from penstock import ArrayView, Axis


class Reconstruction:
    """Add up what the projections say.

    Parameters
    ----------
    columns
        Of the images.
    projections
        How many there are over half a turn.
    """

    def __init__(self, columns: Annotated[int, Ge(1)], projections: Annotated[int, Ge(1)]) -> None:
        middle = np.arange(columns) - (columns - 1) / 2
        y, x, s = (Axis(name, "px", middle) for name in "yxs")
        self.projections = projections
        self.slice = ArrayView((columns, columns), unit="1/px", axes=[y, x], title="absorption")
        self.lines = ArrayView((None, columns), axes=["angle", s], title="sinogram")
        self.angle = ArrayView((None,), unit="deg")
        self.views: dict[str, Any] = {
            "slice": {"absorption": self.slice},
            "sinogram": {"lines": self.lines, "angle": self.angle},
            "oldest_s": 0.0,
        }

    def reduce(self, projection: dict[str, Any]) -> None:
        """Take in one projection."""
        self.slice.add(..., projection["part"] * np.pi / self.projections)
        self.lines.append(projection["line"])
        self.angle.append(projection["angle_deg"])
        self.views["oldest_s"] = max(self.views["oldest_s"], projection["age_s"])
