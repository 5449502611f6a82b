"""What a camera sees behind the scan's sample: the beam, and the powder rings of the spot that it hits.

The beam that went through stands in the middle, fainter where there is more sample. Around it lie two rings, iron's and
nickel's, as bright as there is of either.
"""

import numpy as np
from numpy.typing import NDArray

from penstock.simulators.xrf_scan import XrfScan

__all__ = ["RINGS_A", "SHAPE", "PowderPattern", "radius", "ring_radius"]

SHAPE = (64, 64)
RINGS_A = {"Fe": 2.8665 / 2**0.5, "Ni": 3.5238 / 2}
"""Distances of lattice planes in Å: Fe 110 and Ni 200, from the metals' lattice constants at room temperature."""
CAMERA_px_A = 46.0
"""Radius of a ring times its distance of planes: wavelength times distance of the camera, for small angles."""
WIDTH_px = 0.8
"""Of a ring and, twice that, of the beam: σ."""
COUNTS_A_PHOTON = 5.0
"""Of a ring, for each photon of fluorescence."""
BEAM_COUNTS = 20_000.0
BACKGROUND = 0.5
ABSORBED = 600.0
"""Photons of fluorescence of a sample that lets 1/e of the beam through."""


class PowderPattern:
    """What is expected at each point of a scan."""

    def __init__(self, scan: XrfScan) -> None:
        self._scan = scan
        self._beam = _normalised(np.exp(-((radius() / (2 * WIDTH_px)) ** 2) / 2))
        self._rings = {
            element: _normalised(np.exp(-(((radius() - ring_radius(element)) / WIDTH_px) ** 2) / 2))
            for element in RINGS_A
        }

    def expected(self, number: int) -> NDArray[np.float64]:
        """Return how many counts each pixel has on average: (64, 64)."""
        amounts = self._scan.amounts(number)
        expected: NDArray[np.float64] = (
            BACKGROUND + BEAM_COUNTS * np.exp(-sum(amounts.values()) / ABSORBED) * self._beam
        )
        for element, ring in self._rings.items():
            expected += COUNTS_A_PHOTON * amounts[element] * ring
        return expected


def radius() -> NDArray[np.float64]:
    """Return how far each pixel is from the beam: (64, 64), pixels."""
    y, x = np.indices(SHAPE)
    distance: NDArray[np.float64] = np.hypot(y - (SHAPE[0] - 1) / 2, x - (SHAPE[1] - 1) / 2)
    return distance


def ring_radius(element: str) -> float:
    """Return the radius of an element's ring, in pixels."""
    return CAMERA_px_A / RINGS_A[element]


def _normalised(pattern: NDArray[np.float64]) -> NDArray[np.float64]:
    pattern /= pattern.sum()
    return pattern
