"""A Contrast that does not exist: where the scan was at each point, and the beam there."""

import numpy as np

from penstock.protocols.contrast import ContrastDecoder, encode_end, encode_point, encode_start
from penstock.simulators.simulator import Packets, Simulator

__all__ = ["ContrastSimulator", "PERIOD_s"]

PERIOD_s = 0.1
BEAM_A = 2e-9
"""Of the ion chamber at a point, on average."""
SETTLED_um = 0.004
"""By how much the sample is not where it was sent, σ."""

_DOMAIN = 13


class ContrastSimulator(Simulator):
    """Contrast: ``sy`` and ``sx`` in µm, as they were asked for and as encoders saw them, and the beam in A.

    A point has no number: ``lost`` and ``doubled`` shift all that follow, here as there.
    """

    decoder = ContrastDecoder
    spoilable = 2  # the pickle's own mark and version; within a number nobody would notice it

    def start(self) -> Packets:
        """Return what is said before the points, with where the motors are."""
        y, x = self.scan.y, self.scan.x
        words = f"mesh sx {x[0]:g} {x[-1]:g} {len(x) - 1} sy {y[0]:g} {y[-1]:g} {len(y) - 1} {PERIOD_s:g}"
        return [encode_start(self._scannr, path="/data", description=words, sx=float(x[0]), sy=float(y[0]))]

    def point(self, number: int) -> Packets:
        """Return a point: motors, encoders as arrays of shape (1,), and the ion chamber ``I0``."""
        y, x = self.scan.position(number)
        dice = np.random.default_rng((self.scan.seed, number, _DOMAIN))
        seen = {name: np.array([at + SETTLED_um * dice.standard_normal()]) for name, at in (("x", x), ("y", y))}
        beam = np.array([BEAM_A * (1 + 0.01 * dice.standard_normal())])
        return [encode_point((number + 1) * PERIOD_s, sx=float(x), sy=float(y), pseudo=seen, I0=beam)]

    def end(self, points: int) -> Packets:
        """Return what is said after the points, with where the motors are then."""
        y, x = map(float, self.scan.position(max(points - 1, 0)))
        return [encode_end(self._scannr, path="/data", sx=x, sy=y)]

    @property
    def _scannr(self) -> int:
        return self.scan.seed % 2**31
