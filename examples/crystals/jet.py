"""A jet of crystals that does not exist: an EIGER sees a crystal in some images, each turned another way, else water.

``penstock sim jet:Jet`` sends what it sees.
"""

from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.simulators.eiger import EigerSimulator

__all__ = ["Jet"]

PIXEL_m = 300e-6
DISTANCE_m = 0.080
BEAM_px = (131.0, 127.5)
"""Where the beam meets the detector: y and x, 0 in the middle of the first pixel. ``eiger.geom`` says all this, too."""
WAVELENGTH_A = 12398.42 / 9500
"""hc is 12398.42 eV Å (CODATA 2018)."""
CELL_A = 38.0
"""Edge of the crystals' cubic cell."""
HITS = 0.3
"""How many images have a crystal."""
WIDTH_per_A = 6e-4
"""How far from the Ewald sphere a point of the reciprocal lattice may be and still reflect: σ."""
SPOT_px = 0.9
SPOT_counts = 900.0
DAMPING_A2 = 12.0
"""Reflections become weaker with exp(-B / (4 d²))."""


class Jet(EigerSimulator):
    """Eiger stream v1: images of (256, 256) counts, uint32."""

    shape: ClassVar[tuple[int, int]] = (256, 256)

    def has_crystal(self, number: int) -> bool:
        """Whether there is a crystal in an image."""
        return bool(self._dice(number).random() < HITS)

    def image(self, number: int) -> NDArray[np.uint32]:
        """Return what is counted: water and air, the spots of a crystal if there is one, and noise."""
        dice = self._dice(number)
        expected = _water().copy()
        if dice.random() < HITS:
            for y, x, counts in _spots(_turned(dice)):
                _add_spot(expected, y, x, counts)
        return dice.poisson(expected).astype(np.uint32)

    def _dice(self, number: int) -> np.random.Generator:
        return np.random.default_rng((self.scan.seed, number, 1912))


def _distance_m(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.hypot(y - BEAM_px[0], x - BEAM_px[1]) * PIXEL_m
    return found


@cache
def _water() -> NDArray[np.float64]:
    """Return what is expected without a crystal: a ring at 3.2 Å, scattering at small angles, a beam stop."""
    radius = _distance_m(*np.indices(Jet.shape).astype(float))
    inverse_d = 2 * np.sin(np.arctan(radius / DISTANCE_m) / 2) / WAVELENGTH_A
    ring = 12 * np.exp(-(((inverse_d - 1 / 3.2) / 0.05) ** 2) / 2)
    return np.asarray((2 + ring + 30 * np.exp(-inverse_d / 0.05)) * (radius > 8 * PIXEL_m))


def _turned(dice: np.random.Generator) -> NDArray[np.float64]:
    """Return a rotation, (3, 3), each as likely as any other: of a random unit quaternion."""
    a, b, c, d = _unit(dice.normal(size=4))
    return np.array(
        [
            [1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c)],
        ]
    )


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


@cache
def _indices() -> NDArray[np.int64]:
    """Return the Miller indices of all reflections that could reach the detector: (n, 3)."""
    orders = np.arange(-17, 18)
    found = np.stack(np.meshgrid(orders, orders, orders), axis=-1).reshape(-1, 3)
    return found[np.any(found != 0, axis=1)]


def _spots(turned: NDArray[np.float64]) -> list[tuple[float, float, float]]:
    """Return where a crystal reflects: y and x in pixels, and the counts of each spot."""
    q = _indices() @ turned.T / CELL_A
    out = q + np.array([0, 0, 1 / WAVELENGTH_A])
    off = np.linalg.norm(out, axis=1) - 1 / WAVELENGTH_A
    counts = SPOT_counts * np.exp(-((off / WIDTH_per_A) ** 2) / 2 - DAMPING_A2 / 4 * (q**2).sum(axis=1))
    is_seen = (counts > 1) & (out[:, 2] > 0)
    y, x = (BEAM_px[k] + out[is_seen, 1 - k] / out[is_seen, 2] * DISTANCE_m / PIXEL_m for k in (0, 1))
    return list(zip(y.tolist(), x.tolist(), counts[is_seen].tolist(), strict=True))


def _add_spot(expected: NDArray[np.float64], y: float, x: float, counts: float) -> None:
    if not (4 <= y < Jet.shape[0] - 5 and 4 <= x < Jet.shape[1] - 5):
        return
    rows, columns = (slice(round(at) - 4, round(at) + 5) for at in (y, x))
    away = (np.arange(rows.start, rows.stop)[:, None] - y) ** 2 + (np.arange(columns.start, columns.stop) - x) ** 2
    spot = np.exp(-away / (2 * SPOT_px**2))
    expected[rows, columns] += counts * spot / spot.sum()
