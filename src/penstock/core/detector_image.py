"""One frame of a detector that consists of modules: what goes from stage to stage. Nothing here puts it together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.module_geometry import ModuleGeometry

__all__ = ["DetectorImage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorImage:
    """One frame of a whole detector."""

    array: NDArray[Any]
    """An image (height, width), or a stack (modules, slow, fast); the modules' dtype and unit."""
    mask: NDArray[np.bool_]
    """Shape of ``array``: true where there are no data, because of a gap or because the module is missing."""
    missing: tuple[str, ...]
    """Names of the modules that did not come."""
    geometry: ModuleGeometry
    key: int | None
    """The number of the frame."""
    timestamp_ns: int
    """Of the first module there is, nanoseconds UTC."""
