"""Where a detector's pixels lie, seen from the sample: pure arithmetic with a distance, a point and three rotations.

The conventions are those of PONI files, which pyFAI writes (its page "geometry"): the point of normal incidence is
where a line through the sample meets the detector at a right angle, in metres from the outer edge of the first pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DetectorGeometry", "Pixels"]

Pixels = tuple[int, int] | NDArray[np.float64]
"""Which pixels: all of an image (height, width); or (…, 2), where their centres lie, px, as `ModuleGeometry.positions`
gives them: that of the first one is (0, 0)."""

_FLIPS: Final = {1: (True, True), 2: (True, False), 3: (False, False), 4: (False, True)}
"""By orientation, whether slow and fast axis are counted from the other end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorGeometry:
    """A flat detector, its sample and the beam.

    >>> geometry = DetectorGeometry.of_centre(distance_m=1.0, centre_px=(0.5, 0.5), pixel_m=1e-3, wavelength_m=1e-10)
    >>> geometry.two_theta((1, 3)).round(6).tolist()
    [[0.0, 0.001, 0.002]]
    >>> geometry.q((1, 2)).round(4).tolist()
    [[0.0, 0.0628]]
    """

    distance_m: float
    """Of the sample from the detector's plane."""
    poni_m: tuple[float, float]
    """The point of normal incidence, along the slow and the fast axis."""
    pixel_m: tuple[float, float]
    """Size of a pixel, along the slow and the fast axis."""
    rotations_rad: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """About the axes 1 (slow), 2 (fast) and 3 (the beam), the first two counted as left-handed, as in PONI files."""
    wavelength_m: float | None = None
    orientation: int = 3
    """In which corner the first pixel lies, 1 to 4, as in PONI files; 3 is what those without it mean."""

    def __post_init__(self) -> None:
        if not self.distance_m > 0:
            raise ValueError(f"the distance is {self.distance_m} m; it must be above 0")
        if not min(self.pixel_m) > 0:
            raise ValueError(f"pixels are {list(self.pixel_m)} m; both sides must be above 0")
        if self.wavelength_m is not None and not self.wavelength_m > 0:
            raise ValueError(f"the wavelength is {self.wavelength_m} m; it must be above 0")
        if self.orientation not in _FLIPS:
            raise ValueError(f"the orientation is {self.orientation}; it must be 1, 2, 3 or 4")

    @classmethod
    def of_centre(
        cls,
        *,
        distance_m: float,
        centre_px: Sequence[float],
        pixel_m: float | tuple[float, float],
        wavelength_m: float | None = None,
    ) -> "DetectorGeometry":
        """Return the geometry of a detector that stands at a right angle to the beam.

        Parameters
        ----------
        centre_px
            Where the beam meets it, (y, x) in pixels from the outer edge of the first one, whose middle is 0.5.
        pixel_m
            One side of square pixels, or (slow, fast).
        """
        sides = pixel_m if isinstance(pixel_m, tuple) else (pixel_m, pixel_m)
        poni = (centre_px[0] * sides[0], centre_px[1] * sides[1])
        return cls(distance_m=distance_m, poni_m=poni, pixel_m=sides, wavelength_m=wavelength_m)

    def positions(self, pixels: Pixels) -> NDArray[np.float64]:
        """Return where pixels' centres are in the laboratory, (…, 3), m: along axis 1, axis 2 and the beam."""
        on_detector = self._on_detector(pixels)
        return on_detector @ self._rotation().T

    def two_theta(self, pixels: Pixels) -> NDArray[np.float64]:
        """Return the scattering angle of each pixel, (…), rad."""
        at = self.positions(pixels)
        found: NDArray[np.float64] = np.arctan2(np.hypot(at[..., 0], at[..., 1]), at[..., 2])
        return found

    def azimuth(self, pixels: Pixels) -> NDArray[np.float64]:
        """Return the angle of each pixel about the beam, (…), rad, -π … π from axis 2 to axis 1."""
        at = self.positions(pixels)
        found: NDArray[np.float64] = np.arctan2(at[..., 0], at[..., 1])
        return found

    def q(self, pixels: Pixels) -> NDArray[np.float64]:
        """Return the length of the scattering vector of each pixel, (…), 1/nm: 4π sin(2θ/2) / λ.

        Raises
        ------
        ValueError
            If no wavelength is known.
        """
        if self.wavelength_m is None:
            raise ValueError("this geometry has no wavelength, which q needs; give wavelength_m, or 2θ is all there is")
        found: NDArray[np.float64] = 4e-9 * pi / self.wavelength_m * np.sin(self.two_theta(pixels) / 2)
        return found

    def solid_angle(self, pixels: Pixels) -> NDArray[np.float64]:
        """Return the solid angle that each pixel covers, (…), relative to one at normal incidence: cos³ of its own."""
        at = self._on_detector(pixels)
        found: NDArray[np.float64] = (self.distance_m / np.sqrt((at * at).sum(axis=-1))) ** 3
        return found

    def polarization(self, pixels: Pixels, factor: float) -> NDArray[np.float64]:
        """Return which share of the scattered light comes to each pixel, (…), because the beam is polarized.

        Parameters
        ----------
        factor
            -1 … 1: 1 where all of the electric field is along axis 2 (horizontal), 0 for an unpolarized beam.
        """
        cos2 = np.cos(self.two_theta(pixels)) ** 2
        found: NDArray[np.float64] = 0.5 * (1 + cos2 - factor * np.cos(2 * self.azimuth(pixels)) * (1 - cos2))
        return found

    def _on_detector(self, pixels: Pixels) -> NDArray[np.float64]:
        """(…, 3), m, as if the detector were not rotated."""
        at = _centres(pixels, self.orientation) if isinstance(pixels, tuple) else np.asarray(pixels, float)
        if not isinstance(pixels, tuple) and self.orientation != 3:
            raise ValueError(f"where pixels lie is known for orientation 3 only, and this is {self.orientation}")
        found = np.empty((*at.shape[:-1], 3))
        found[..., :2] = (at + 0.5) * self.pixel_m - self.poni_m
        found[..., 2] = self.distance_m
        return found

    def _rotation(self) -> NDArray[np.float64]:
        first, second, third = self.rotations_rad
        about_1 = np.array([[1, 0, 0], [0, cos(first), sin(first)], [0, -sin(first), cos(first)]])
        about_2 = np.array([[cos(second), 0, -sin(second)], [0, 1, 0], [sin(second), 0, cos(second)]])
        about_3 = np.array([[cos(third), -sin(third), 0], [sin(third), cos(third), 0], [0, 0, 1]])
        found: Any = about_3 @ about_2 @ about_1
        whole: NDArray[np.float64] = found
        return whole


def _centres(shape: tuple[int, int], orientation: int) -> NDArray[np.float64]:
    slow, fast = (np.arange(size, dtype=float) for size in shape)
    flips = _FLIPS[orientation]
    slow, fast = (axis[::-1] if is_flipped else axis for axis, is_flipped in zip((slow, fast), flips, strict=True))
    return np.stack(np.meshgrid(slow, fast, indexing="ij"), axis=-1)
