"""A fluorescence scan that never happened: a sample of iron and nickel, its spectra and the positions, from a seed.

It only computes. Whoever wants the scan as streams, at a pace, sends what it gives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "SEED", "BIN_keV", "LINES_keV", "XrfScan"]

BINS = 1024
BIN_keV = 0.01
LINES_keV = {"Fe": 6.404, "Ni": 7.478}
"""Kα energies, X-ray Data Booklet, table 1-2."""
SIGMA_keV = 0.065
"""Of a line in a silicon drift detector: 153 eV full width at half maximum."""
STEP_um = 0.5
SEED = 20261120


@dataclass(frozen=True, slots=True)
class XrfScan:
    """A mesh of points, row by row; the same seed gives the same counts at each point, asked in any order."""

    rows: int
    columns: int
    seed: int = SEED

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            raise ValueError(f"a scan of {self.rows} × {self.columns} points; both must be 1 or more")

    @property
    def points(self) -> int:
        """How many points there are."""
        return self.rows * self.columns

    @property
    def y(self) -> NDArray[np.float64]:
        """(rows,), µm."""
        return _around_0(self.rows)

    @property
    def x(self) -> NDArray[np.float64]:
        """(columns,), µm."""
        return _around_0(self.columns)

    def position(self, point: int) -> NDArray[np.float64]:
        """Return where a point is: (2,), y and x, µm."""
        row, column = divmod(point, self.columns)
        return np.array([self.y[row], self.x[column]])

    def amounts(self, point: int) -> dict[str, float]:
        """Return how many photons of each element a point gives on average: iron in a ring, nickel in two grains."""
        y, x = self.position(point) / (STEP_um * np.array([self.rows, self.columns]) / 2)
        ring = np.exp(-(((np.hypot(y, x) - 0.65) / 0.14) ** 2))
        grains = sum(np.exp(-((y - v) ** 2 + (x - u) ** 2) / 0.02) for v, u in ((-0.2, -0.25), (0.15, 0.3)))
        return {"Fe": 20 + 400 * float(ring), "Ni": 10 + 300 * float(grains)}

    def spectrum(self, point: int) -> NDArray[np.uint32]:
        """Return what the detector counted at a point: (1024,), counts, bins of 10 eV from 0."""
        energy_keV = (np.arange(BINS) + 0.5) * BIN_keV
        expected = 0.05 + 0.3 * np.exp(-energy_keV / 2)  # scattered radiation
        for element, photons in self.amounts(point).items():
            shape = np.exp(-(((energy_keV - LINES_keV[element]) / SIGMA_keV) ** 2) / 2)
            expected += photons * shape / shape.sum()
        return np.random.default_rng((self.seed, point)).poisson(expected).astype(np.uint32)


def _around_0(n: int) -> NDArray[np.float64]:
    last = (n - 1) / 2 * STEP_um
    return np.linspace(-last, last, n)
