"""Fluorescence map of a mesh scan: Xspress3 spectra, placed where Contrast says that the sample was.

Try it by hand, with nothing running:

>>> import numpy as np
>>> from penstock.testing import make_event
>>> event = make_event(contrast={"pseudo": {"x": [-2.0], "y": [1.0]}}, xspress3=np.ones((4, 4096), "u4"))
>>> point = count_photons(event, roi_start_keV=5.9, roi_end_keV=6.9)
>>> point["counts"]
array([100, 100, 100, 100], dtype=uint64)
"""

import re
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from penstock import ArrayView, Axis, Event, Unit

BIN_keV = 0.01
"""Width of a bin of the spectra: 10 eV, 4096 of them."""

MESH = re.compile(r"mesh" + r"\s+(\w+)\s+(\S+)\s+(\S+)\s+(\d+)" * 2)
"""Contrast's own words for a scan: motor, from, to, steps, for the slow motor and for the fast one."""


def count_photons(
    event: Event,
    *,
    roi_start_keV: Annotated[float, Unit("keV"), Ge(0), "where the region of interest begins"] = 0.0,
    roi_end_keV: Annotated[float, Unit("keV"), Ge(0), "where it ends"] = 40.96,
) -> dict[str, Any] | None:
    """Count the photons of one point, in every channel, within a region of the spectrum.

    An event without its spectrum or its position gives no result.
    """
    spectrum, point = event["xspress3"], event["contrast"]
    if spectrum is None or point is None:
        return None
    first, last = round(roi_start_keV / BIN_keV), round(roi_end_keV / BIN_keV)
    position = point.metadata["pseudo"]
    return {
        "x": float(position["x"][0]),
        "y": float(position["y"][0]),
        "counts": spectrum.array[:, first:last].sum(axis=1),  # (channels,)
    }


class FluorescenceMap:
    """Put the points on the grid of the scan.

    The grid comes from the description in Contrast's first message, ``mesh sx -2 2 3 sy -2 2 4 0.1``: 3 steps, that is
    4 columns, along x, and for each of them 4 steps, 5 rows, along y. A point belongs to the cell that is nearest to
    where it was measured, so a lost or repeated one does not shift the others.
    """

    def __init__(self, channels: int = 4) -> None:
        self.channels = channels
        self.views: dict[str, Any] = {}

    def start(self, event: Event) -> None:
        """Lay out the map before the first point comes."""
        description = event["contrast"].metadata["description"]
        self.y, self.x = _axes(description)
        grid = (self.y, self.x)
        shape = (len(self.y.values), len(self.x.values))
        channel = Axis("channel")
        missing = {"fill": np.nan}
        self.counts = ArrayView(
            (*shape, self.channels), unit="counts", axes=(*grid, channel), title="counts", **missing
        )
        self.totals = ArrayView((self.channels,), "u8", unit="counts", axes=(channel,), title="whole scan")
        self.position = {
            name: ArrayView(shape, unit="µm", axes=grid, title=f"measured {name}", **missing) for name in ("x", "y")
        }
        self.views = {
            "map": {"counts": self.counts, "measured_x": self.position["x"], "measured_y": self.position["y"]},
            "total": {"counts": self.totals},
            "description": description,
        }

    def reduce(self, point: dict[str, Any]) -> None:
        """Put one point into its cell."""
        cell = _nearest(self.y, point["y"]), _nearest(self.x, point["x"])
        self.counts.set(cell, point["counts"])
        self.totals.add(..., point["counts"])
        for name, view in self.position.items():
            view.set(cell, point[name])


def _axes(description: str) -> tuple[Axis, Axis]:
    """Read the grid's y and x from a description; the motors are called something that ends in x or y."""
    mesh = MESH.match(description)
    found = mesh.groups() if mesh else ()
    grids = {motor[-1]: _grid(*limits) for motor, *limits in filter(None, (found[:4], found[4:]))}
    if sorted(grids) != ["x", "y"]:
        raise ValueError(f'"{description}" is no mesh of x and y; write one such as "mesh sx -2 2 3 sy -2 2 4 0.1"')
    return Axis("y", "µm", grids["y"]), Axis("x", "µm", grids["x"])


def _grid(first: str, last: str, steps: str) -> np.ndarray:
    return np.linspace(float(first), float(last), int(steps) + 1)


def _nearest(axis: Axis, position: float) -> int:
    return int(np.abs(axis.values - position).argmin())
