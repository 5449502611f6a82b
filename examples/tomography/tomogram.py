"""The reducer: a slice through the sample, which gets sharper with each projection."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from penstock import ArrayView, Axis


class Tomogram:
    """Filter each projection, smear it over the slice at its angle, and keep all as a sinogram.

    Angles may come in any order and at any distance; those of half a turn, evenly spread, give the slice its numbers.
    """

    def __init__(self, columns: Annotated[int, Ge(2), "of the camera, across the axis"]) -> None:
        self._place = np.arange(columns) - (columns - 1) / 2
        self._ramp = np.abs(np.fft.rfftfreq(2 * columns)) * np.hanning(2 * columns + 1)[columns:]
        self._sum = np.zeros((columns, columns))
        x, y = Axis("x", "px", self._place), Axis("y", "px", self._place)
        self.slice = ArrayView((columns, columns), unit="1/px", axes=[y, x], title="slice through the sample")
        self.sinogram = ArrayView((None, columns), np.float32, axes=["projection", x], title="what was absorbed")
        self.angle = ArrayView((None,), unit="deg", axes=["projection"], title="of each projection")
        self.views = {"slice": self.slice, "sinogram": self.sinogram, "angle": self.angle}

    def reduce(self, projection: dict[str, Any]) -> None:
        """Take in one projection."""
        line, turned = projection["line"], np.deg2rad(projection["angle_deg"])
        filtered = np.fft.irfft(np.fft.rfft(line, 2 * len(line)) * self._ramp)[: len(line)]
        across = self._place[np.newaxis] * np.cos(turned) + self._place[:, np.newaxis] * np.sin(turned)
        self._sum += np.interp(across, self._place, filtered, left=0, right=0)
        self.sinogram.append(line)
        self.angle.append(projection["angle_deg"])
        self.slice.set(..., self._sum * np.pi / len(self.angle.array))

    def checkpoint(self) -> dict[str, Any]:
        """Return what cannot be seen from the views."""
        return {"sum": self._sum}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `checkpoint` returned."""
        self._sum = state["sum"].copy()
