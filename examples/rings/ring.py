"""The worker: measure one powder ring in the image of each point, and average the image around the beam."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le

from penstock import Event, Unit

SHAPE = (64, 64)
"""Of an image; the beam is in the middle."""
RADII = np.arange(10, 45)
"""Whole pixels from the middle to the corners; below 10 there is only the beam."""


class Ring:
    """Measure a ring; which one is said by two parameters."""

    def __init__(
        self,
        *,
        radius_px: Annotated[float, Unit("px"), Gt(0), Le(45), "of the ring"] = 22.7,
        width_px: Annotated[float, Unit("px"), Ge(1), "of the ring, from edge to edge"] = 4,
    ) -> None:
        self.radius_px = radius_px
        self.width_px = width_px
        y, x = np.indices(SHAPE)
        self.distance_px = np.hypot(y - (SHAPE[0] - 1) / 2, x - (SHAPE[1] - 1) / 2)
        self.bins = self.distance_px.astype(int).ravel()
        self.pixels = np.bincount(self.bins)

    def process(self, event: Event) -> dict[str, Any] | None:
        """Measure one point; nothing comes of it if the image or the position never came."""
        image, position = event["camera"], event["panda"]
        if image is None or position is None:
            return None
        is_ring = abs(self.distance_px - self.radius_px) <= self.width_px / 2
        pattern = np.bincount(self.bins, image.array.ravel()) / self.pixels
        return {
            "y": float(position.array["INENC1.VAL.Mean"]),
            "x": float(position.array["INENC2.VAL.Mean"]),
            "counts": int(image.array[is_ring].sum()),
            "pattern": pattern[RADII],
        }
