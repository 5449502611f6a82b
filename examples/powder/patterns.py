"""The reducer: all patterns, one below the other, and their mean."""

from typing import Any

import numpy as np

from penstock import ArrayView, Axis

from integrate import BINS, bin_middles


class Patterns:
    """Keep every pattern, and the mean of all with its standard deviation."""

    def __init__(self) -> None:
        q = Axis("q", "1/angstrom", bin_middles())
        self.mean = ArrayView((BINS,), np.float64, unit="counts", axes=[q], title="mean of all patterns")
        self.sigma = ArrayView((BINS,), np.float64, unit="counts", axes=[q], title="its standard deviation")
        self.patterns = ArrayView((None, BINS), np.float32, unit="counts", axes=["point", q], title="each pattern")
        self.beam = ArrayView((None,), axes=["point"], title="of the beam that patterns are as if there were")
        self.views = {"mean": self.mean, "sigma": self.sigma, "patterns": self.patterns, "beam": self.beam}

    def reduce(self, point: dict[str, Any]) -> None:
        """Take in one pattern."""
        before, after = len(self.beam.array), len(self.beam.array) + 1
        self.patterns.append(point["pattern"])
        self.beam.append(point["beam"])
        self.mean.set(..., (self.mean.array * before + point["pattern"]) / after)
        self.sigma.set(..., np.hypot(self.sigma.array * before, point["sigma"]) / after)
