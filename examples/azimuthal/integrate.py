"""The worker: a powder pattern of each image, by pyFAI where it is installed, divided by the beam that there was.

>>> import numpy as np
>>> from penstock.testing import make_event
>>> worker = Integrate(bins=4, to_per_A=4.0, by="numpy")
>>> image = np.full((64, 64), 10)
>>> worker.process(make_event(camera=image, currents=np.array([1e-9, 5e-10, 0, 0])))["pattern"].tolist()
[20.0, 20.0, 20.0, 20.0]
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray
from pydantic import FilePath

from penstock import Event, Section, Unit

try:
    import pyFAI
except ImportError:
    pyFAI = None

HERE = Path(__file__).parent
Calibration = Annotated[FilePath | None, Section("Geometry"), "a PONI file; by default that of the simulated camera"]


class Integrate:
    """Average each image over circles around the beam.

    Parameters
    ----------
    bins, to_per_A
        Of the pattern: how many, from 0 to which q in 1/Å.
    by
        ``pyFAI`` knows every geometry and correction; ``numpy`` a flat detector across the beam, without corrections.
        ``auto`` takes pyFAI if it is installed.
    poni
        The geometry; another one holds from the next image on.
    least_A
        With less beam there is no pattern.
    I0_A
        The beam for which the counts are given.
    """

    def __init__(
        self,
        bins: Annotated[int, Ge(1)] = 100,
        to_per_A: Annotated[float, Unit("1/Å"), Gt(0)] = 4.0,
        by: Literal["auto", "pyFAI", "numpy"] = "auto",
        *,
        poni: Calibration = None,
        least_A: Annotated[float, Unit("A"), Gt(0), Section("Beam")] = 1e-12,
        I0_A: Annotated[float, Unit("A"), Gt(0), Section("Beam"), "the current to which counts are scaled"] = 2e-9,
    ) -> None:
        self.bins, self.to_per_A = bins, to_per_A
        if by == "pyFAI" and pyFAI is None:
            raise ImportError('pyFAI is not installed; pip install "penstock[pyfai]", or write by: numpy')
        self.integrator = Numpy if by == "numpy" or pyFAI is None else PyFAI
        self.least_A, self.I0_A, self.poni = least_A, I0_A, poni
        self._made: Any = None
        self._made_of: Path | None = None

    def process(self, event: Event) -> dict[str, Any] | None:
        """Integrate one image; nothing comes of one without a reading of the beam, or without beam."""
        image, currents = event["camera"], event["currents"]
        if image is None or currents is None or currents.array[0] < self.least_A:
            return None
        scale = self.I0_A / float(currents.array[0])
        pattern = self._integrate(image.array)
        return {"frame": event.number, "pattern": pattern * scale, "scale": scale, "total": int(image.array.sum())}

    def _integrate(self, image: NDArray[Any]) -> NDArray[np.float64]:
        poni = Path(self.poni or HERE / "camera.poni")
        if poni != self._made_of:  # tables of a megapixel take a second, so they are kept
            self._made, self._made_of = self.integrator(poni, self.bins, self.to_per_A), poni
        return self._made(image)


class PyFAI:
    """Each pixel in one bin, by pyFAI, without the correction for solid angle."""

    def __init__(self, poni: Path, bins: int, to_per_A: float) -> None:
        self.geometry, self.bins, self.to_per_A = pyFAI.load(str(poni)), bins, to_per_A

    def __call__(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean counts of each bin; NaN where there is no pixel."""
        found = self.geometry.integrate1d_ng(
            image, self.bins, unit="q_A^-1", radial_range=(0, self.to_per_A), correctSolidAngle=False,
            method=("no", "csr", "cython"),
        )  # fmt: skip
        return np.where(found.count > 0, found.intensity, np.nan).astype(np.float64)


class Numpy:
    """The same, of a flat detector across the beam."""

    def __init__(self, poni: Path, bins: int, to_per_A: float) -> None:
        lines = [line.split(":", 1) for line in poni.read_text().splitlines() if ":" in line and line[0] != "#"]
        told = {name.strip(): text.strip() for name, text in lines}
        if any(float(told.get(f"Rot{k}", 0)) for k in (1, 2)):
            raise ValueError(f"{poni}: this detector is tilted, which needs pyFAI")
        config = json.loads(told["Detector_config"])
        y, x = np.indices(config["max_shape"]) + 0.5
        radius_m = np.hypot(y * config["pixel1"] - float(told["Poni1"]), x * config["pixel2"] - float(told["Poni2"]))
        theta = np.arctan2(radius_m, float(told["Distance"])) / 2
        q_per_A = 4 * np.pi * np.sin(theta) / (float(told["Wavelength"]) * 1e10)
        self.bins = bins
        self.bin_of = np.minimum((q_per_A / to_per_A * bins).astype(int), bins).ravel()  # the last is all beyond
        self.pixels = np.bincount(self.bin_of, minlength=bins + 1)[:bins]

    def __call__(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean counts of each bin; NaN where there is no pixel."""
        counts = np.bincount(self.bin_of, image.ravel(), self.bins + 1)[: self.bins]
        return np.divide(counts, self.pixels, out=np.full(self.bins, np.nan), where=self.pixels > 0)
