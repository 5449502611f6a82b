"""The reducer: every pattern, their mean, and the beam."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt

from penstock import ArrayView, Axis, Unit


class Patterns:
    """Keep the patterns, one behind the other.

    Parameters
    ----------
    bins, to_per_A
        Those of the workers.
    """

    def __init__(self, bins: Annotated[int, Ge(1)] = 100, to_per_A: Annotated[float, Unit("1/Å"), Gt(0)] = 4.0) -> None:
        q = Axis("q", "1/Å", (np.arange(bins) + 0.5) * to_per_A / bins)
        self.mean = ArrayView((bins,), unit="counts/px", axes=[q], title="mean, for one beam")
        self.all = ArrayView((None, bins), unit="counts/px", axes=["point", q], title="every point, for one beam")
        self.scale = ArrayView((None,), axes=["point"], title="by what the counts were multiplied")
        self.views: dict[str, Any] = {"mean": {"pattern": self.mean}, "all": {"pattern": self.all, "scale": self.scale}}

    def reduce(self, point: dict[str, Any]) -> None:
        """Take in one pattern."""
        self.all.append(point["pattern"])
        self.scale.append(point["scale"])
        self.mean.set(..., self.mean.array + (point["pattern"] - self.mean.array) / len(self.all))
