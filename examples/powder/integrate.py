"""The worker: a powder pattern out of each image, with pyFAI, divided by the beam that made it."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from pydantic import FilePath
from pyFAI import load

from penstock import Event, Section, Unit

RANGE_per_A = (2.0, 4.2)
"""Of the scattering vector q, in 1/Å."""
BINS = 220


def bin_middles() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return q in the middle of each bin: (BINS,), 1/Å."""
    edges = np.linspace(*RANGE_per_A, BINS + 1)
    return (edges[1:] + edges[:-1]) / 2


class Integrate:
    """Integrate images; each worker makes pyFAI's tables once, and again when it is given another geometry."""

    def __init__(
        self,
        *,
        geometry: Annotated[FilePath, Section("Geometry"), "a .poni file, as pyFAI's calibration writes it"],
        beam_A: Annotated[float, Unit("A"), Gt(0), "patterns are as if the ion chamber had said so"] = 2e-9,
    ) -> None:
        self.geometry = geometry
        self.beam_A = beam_A
        self._loaded, self._integrator = geometry, load(str(geometry))

    def process(self, event: Event) -> dict[str, Any] | None:
        """Integrate one image; nothing comes of it if the image or the beam never came."""
        image, currents = event["camera"], event["currents"]
        if image is None or currents is None:
            return None
        if self.geometry != self._loaded:
            self._loaded, self._integrator = self.geometry, load(str(self.geometry))
        beam = float(currents.array[0]) / self.beam_A
        found = self._integrator.integrate1d(
            image.array,
            BINS,
            unit="q_A^-1",
            radial_range=RANGE_per_A,
            error_model="poisson",
            normalization_factor=beam,
        )
        return {"pattern": found.intensity, "sigma": found.sigma, "beam": beam}
