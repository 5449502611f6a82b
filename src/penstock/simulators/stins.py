"""An area detector that does not exist: the powder pattern of the spot that the beam hits.

The beam that went through stands in the middle, fainter where there is more sample. Around it lie two rings, iron's and
nickel's, as bright as there is of either.
"""

import numpy as np
from numpy.typing import NDArray

from penstock.protocols.stins import StinsDecoder, encode_end, encode_image, encode_start
from penstock.simulators.simulator import Packets, Simulator
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["RINGS_A", "SHAPE", "StinsSimulator", "radius", "ring_radius"]

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

_DOMAIN = 5


class StinsSimulator(Simulator):
    """STINS: images of a camera, powder rings around the beam.

    An image is (64, 64) counts, uint16; ``frame`` from 0.
    """

    decoder = StinsDecoder

    def __init__(self, scan: XrfScan) -> None:
        super().__init__(scan)
        self._beam = _normalised(np.exp(-((radius() / (2 * WIDTH_px)) ** 2) / 2))
        self._rings = {
            element: _normalised(np.exp(-(((radius() - ring_radius(element)) / WIDTH_px) ** 2) / 2))
            for element in RINGS_A
        }

    def start(self) -> Packets:
        """Return the header of the series."""
        return [encode_start(f"stins-{self.scan.seed}.h5")]

    def point(self, number: int) -> Packets:
        """Return an image."""
        return [encode_image(number, self.image(number))]

    def end(self, points: int) -> Packets:
        """Return the end of the series."""
        return [encode_end(msg_number=points + 1)]

    def image(self, number: int) -> NDArray[np.uint16]:
        """Return what the camera counted at a point: (64, 64)."""
        amounts = self.scan.amounts(number)
        expected = BACKGROUND + BEAM_COUNTS * np.exp(-sum(amounts.values()) / ABSORBED) * self._beam
        for element, ring in self._rings.items():
            expected += COUNTS_A_PHOTON * amounts[element] * ring
        dice = np.random.default_rng((self.scan.seed, number, _DOMAIN))
        counted: NDArray[np.uint16] = np.minimum(dice.poisson(expected), np.iinfo(np.uint16).max).astype(np.uint16)
        return counted


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
