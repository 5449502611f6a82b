"""An area detector that does not exist: the powder pattern of the spot that the beam hits."""

import numpy as np
from numpy.typing import NDArray

from penstock.core.codecs import CODECS, encoded
from penstock.protocols.stins import StinsDecoder, encode_end, encode_image, encode_start
from penstock.simulators.powder import RINGS_A, SHAPE, PowderPattern, radius, ring_radius
from penstock.simulators.simulator import Packets, Simulator
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["RINGS_A", "SHAPE", "StinsSimulator", "radius", "ring_radius"]

_DOMAIN = 5


class StinsSimulator(Simulator):
    """STINS: images of a camera, powder rings around the beam.

    An image is (64, 64) counts, uint16, compressed if that is asked for; ``frame`` from 0.
    """

    decoder = StinsDecoder
    compressions = tuple(CODECS)

    def __init__(self, scan: XrfScan) -> None:
        super().__init__(scan)
        self._pattern = PowderPattern(scan)

    def start(self) -> Packets:
        """Return the header of the series."""
        return [encode_start(f"stins-{self.scan.seed}.h5")]

    def point(self, number: int) -> Packets:
        """Return an image."""
        image = self.image(number)
        if not self.compression:
            return [encode_image(number, image)]
        payload, encoding = encoded(image, self.compression)
        packet = encode_image(
            number, payload.tobytes(), compression=encoding.name, shape=image.shape, type=image.dtype.name
        )
        return [packet]

    def end(self, points: int) -> Packets:
        """Return the end of the series."""
        return [encode_end(msg_number=points + 1)]

    def image(self, number: int) -> NDArray[np.uint16]:
        """Return what the camera counted at a point: (64, 64)."""
        dice = np.random.default_rng((self.scan.seed, number, _DOMAIN))
        expected = self._pattern.expected(number)
        counted: NDArray[np.uint16] = np.minimum(dice.poisson(expected), np.iinfo(np.uint16).max).astype(np.uint16)
        return counted
