"""Correct images by where their pixels lie: a pixel at an angle covers less, and a polarized beam scatters unevenly."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import FilePath

from penstock.core.detector_geometry import DetectorGeometry
from penstock.core.parameter import Section, Unit
from penstock.elements.item_array import with_array_changed
from penstock.formats.poni import read_poni

__all__ = ["Geometry", "geometry_of"]

_HERE = Section("Geometry")

Poni = Annotated[FilePath | None, _HERE, "a PONI file, which says all of it"]
Distance = Annotated[float | None, Gt(0), Unit("m"), _HERE, "of the sample from the detector"]
Centre = Annotated[tuple[float, float] | None, Unit("px"), _HERE, "where the beam meets it, y and x from its edge"]
Pixel = Annotated[float | None, Gt(0), Unit("m"), _HERE, "side of a pixel"]
Covered = Annotated[bool, _HERE, "whether to divide by the solid angle that a pixel covers"]
Polarized = Annotated[
    float | None, Ge(-1), Le(1), _HERE, "of the beam: 1 horizontal, 0 not at all; none: not corrected"
]


class Geometry:
    """Divide the image of each item by what its pixels see of the scattered light, relative to one in the beam.

    That is the solid angle that a pixel covers, cos³ of its incidence, and with ``polarization`` the share of light
    that a polarized beam scatters there. The geometry is a PONI file's, or that of a detector at a right angle to the
    beam. The result is float32, of a float64 image float64. An image may be a stack of images.

    >>> import numpy as np
    >>> geometry = Geometry(distance_m=0.1, centre_px=[0.5, 0.5], pixel_m=0.1)
    >>> geometry(np.array([[1.0, 1.0]])).round(3).tolist()
    [[1.0, 2.828]]

    Parameters
    ----------
    field
        Where the image is in an item, such as a stream of an event; needless where the item is an array, or a message's
        array is meant.
    poni
        A PONI file; it goes before the three below.
    distance_m, centre_px, pixel_m
        Of a detector at a right angle to the beam. The centre is (y, x) from the outer edge of the first pixel, whose
        middle is 0.5.
    solid_angle
        Whether the solid angle is corrected.
    polarization
        -1 … 1; ``None``: not corrected.

    Raises
    ------
    ValueError
        If there is no geometry.
    """

    def __init__(
        self,
        field: str = "",
        *,
        poni: Poni = None,
        distance_m: Distance = None,
        centre_px: Centre = None,
        pixel_m: Pixel = None,
        solid_angle: Covered = True,
        polarization: Polarized = None,
    ) -> None:
        self._field = field
        self.poni, self.distance_m, self.centre_px, self.pixel_m = poni, distance_m, centre_px, pixel_m
        self.solid_angle, self.polarization = solid_angle, polarization
        self._from: tuple[Any, ...] = ()
        """The values of parameters, the shape and the dtype that ``_gain`` was made of."""
        self._gain: NDArray[np.floating[Any]] = np.ones(())
        if poni is None and (distance_m is None or centre_px is None or pixel_m is None):
            raise ValueError("geometry needs one; write poni: FILE, or distance_m, centre_px: [y, x] and pixel_m")

    @property
    def geometry(self) -> DetectorGeometry:
        """The geometry in force.

        Raises
        ------
        ValueError
            If the file cannot be read, or there is none.
        """
        if self.poni is not None:
            return geometry_of(Path(self.poni))
        if self.distance_m is None or self.centre_px is None or self.pixel_m is None:
            raise ValueError("there is no geometry; set poni, or distance_m, centre_px and pixel_m")
        return DetectorGeometry.of_centre(distance_m=self.distance_m, centre_px=self.centre_px, pixel_m=self.pixel_m)

    def __call__(self, item: Any) -> Any:
        """Return the item with its image corrected.

        Raises
        ------
        ValueError
            If it is no image, or the geometry cannot be had.
        """
        return with_array_changed(item, self._field, self._corrected)

    def _corrected(self, image: NDArray[Any]) -> NDArray[Any]:
        if image.ndim < 2:
            raise ValueError(f"the array is of shape {list(image.shape)}; geometry is of images, which have two axes")
        now = (
            self.poni, self.distance_m, self.centre_px, self.pixel_m, self.solid_angle, self.polarization,
            image.shape[-2:],
        )  # fmt: skip
        found: NDArray[np.floating[Any]] = image.astype(np.float64 if image.dtype == np.float64 else np.float32)
        if (*now, found.dtype) != self._from:
            self._gain = self._made(image.shape[-2:]).astype(found.dtype)  # mixed, they would take far longer
            self._from = (*now, found.dtype)
        np.multiply(found, self._gain, out=found)
        return found

    def _made(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        geometry, pixels = self.geometry, (shape[0], shape[1])
        seen = geometry.solid_angle(pixels) if self.solid_angle else np.ones(shape)
        if self.polarization is not None:
            seen = seen * geometry.polarization(pixels, self.polarization)
        gain: NDArray[np.float64] = 1 / np.where(seen > 0, seen, np.nan)
        return gain


def geometry_of(path: Path) -> DetectorGeometry:
    """Read the geometry of a PONI file.

    Raises
    ------
    ValueError
        If it cannot be read; the text names the file and what is missing in it.
    """
    try:
        return read_poni(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
