"""The demo's pipeline: a detector, a camera and the positions of a scan, their events, a fit of each, and maps.

What stands here is written as a user would write it; only the instruments do not exist.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from penstock.core import Event
from penstock.core.parameter import Unit
from penstock.pipeline import ByTriggerMap, Join, Map, Pipeline, Reduce, Sink, Source
from penstock.simulators.stins import SHAPE
from penstock.simulators.xrf_scan import BIN_keV, LINES_keV, SIGMA_keV, XrfScan
from penstock.views import ArrayView, Axis

__all__ = ["FitSpectrum", "Maps", "demo_pipeline"]

INSTRUMENTS = ("xspress3", "pandabox", "stins")


class FitSpectrum:
    """Fit a line of each element, on a background that is straight, into the sum of the detector's channels.

    Parameters
    ----------
    half_width_keV
        Of the window around a line that is fitted, keV.
    sigma_keV
        Of a line, as the detector shows it, keV.
    """

    def __init__(
        self,
        *,
        half_width_keV: Annotated[float, Unit("keV"), Gt(0.05), "of the window around a line"] = 0.3,
        sigma_keV: Annotated[float, Unit("keV"), Ge(0.01), "width of a line"] = SIGMA_keV,
    ) -> None:
        self.half_width_keV = half_width_keV
        self.sigma_keV = sigma_keV

    def process(self, event: Event) -> dict[str, Any] | None:
        """Return position, photons of each element, and the camera's image; nothing without spectrum or position."""
        spectrum, position, image = event["xspress3"], event["pandabox"], event["stins"]
        if spectrum is None or position is None:
            return None
        counts = spectrum.array.sum(axis=0, dtype=float)
        return {
            "y": float(position.array["INENC1.VAL.Mean"]),
            "x": float(position.array["INENC2.VAL.Mean"]),
            "photons": {element: self._fit(counts, line_keV) for element, line_keV in LINES_keV.items()},
            "image": None if image is None else image.array,
        }

    def _fit(self, counts: NDArray[np.float64], line_keV: float) -> float:
        """Return the photons in a line, by least squares."""
        energy_keV = (np.arange(len(counts)) + 0.5) * BIN_keV
        near = np.abs(energy_keV - line_keV) <= self.half_width_keV
        away = (energy_keV[near] - line_keV) / self.sigma_keV
        line = np.exp(-(away**2) / 2)
        shapes = np.stack([line / line.sum(), np.ones_like(away), away], axis=1)
        found, *_ = np.linalg.lstsq(shapes, counts[near], rcond=None)
        return float(found[0])


class Maps:
    """Put what was fitted where it was measured, one map an element, and add up the camera's images."""

    def __init__(self, rows: int, columns: int) -> None:
        scan = XrfScan(rows, columns)
        self._y, self._x = scan.y, scan.x
        axes = Axis("y", "µm", scan.y), Axis("x", "µm", scan.x)
        self._maps = {
            element: ArrayView((rows, columns), unit="photons", axes=axes, fill=np.nan, title=element)
            for element in LINES_keV
        }
        pixels = Axis("y", "px"), Axis("x", "px")
        self._camera = ArrayView(SHAPE, "u8", unit="counts", axes=pixels, title="Sum of all images")

    @property
    def views(self) -> Mapping[str, Any]:
        """A map an element, and the camera."""
        return {"map": self._maps, "camera": self._camera}

    def reduce(self, point: dict[str, Any]) -> None:
        """Take in one point."""
        cell = int(np.abs(self._y - point["y"]).argmin()), int(np.abs(self._x - point["x"]).argmin())
        for element, view in self._maps.items():
            view.set(cell, point["photons"][element])
        if point["image"] is not None:
            self._camera.add(..., point["image"])


def demo_pipeline(
    rows: int, columns: int, *, addresses: Mapping[str, str], out: Path, workers: int = 2, picture: bool = True
) -> Pipeline:
    """Return the demo: three instruments, joined point by point, fitted, mapped, written as HDF5 and, if asked, PNG.

    Parameters
    ----------
    addresses
        Of ``xspress3``, ``pandabox`` and ``stins``.
    out
        The folder of the results.
    """
    cells = {"events": rows * columns}
    sinks = {"file": Sink("hdf5", source="image", path=str(out / "{run}.h5"))}
    if picture:
        sinks["picture"] = Sink("png", source="image", path=str(out / "{run}.png"))
    return Pipeline(
        name="demo",
        sources={name: Source(name, connect=addresses[name]) for name in INSTRUMENTS},
        events={"point": Join(*INSTRUMENTS, by=ByTriggerMap(map=dict.fromkeys(INSTRUMENTS, cells)), incomplete="pass")},
        stages={
            "fit": Map(FitSpectrum, source="point", workers=workers),
            "image": Reduce(Maps, source="fit", rows=rows, columns=columns),
        },
        sinks=sinks,
        folder=Path.cwd(),
    )
