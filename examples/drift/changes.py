"""The reducer: how the sample drifted, and where something changed in it."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from penstock import ArrayView, Axis, Event


class Changes:
    """Takes each image once, though the first of a block comes from two workers.

    Parameters
    ----------
    margin_px
        That of the workers.
    """

    def __init__(self, margin_px: Annotated[int, Ge(0)] = 8) -> None:
        self.margin = margin_px
        self.views: dict[str, Any] = {}

    def start(self, event: Event) -> None:
        """Make the views, as large as the images."""
        y, x = (Axis(name, "px", np.arange(self.margin, n - self.margin))
                for name, n in zip("yx", event["camera"].array.shape, strict=True))  # fmt: skip
        shape = (len(y.values), len(x.values))
        self.sum = ArrayView(shape, "i8", unit="counts", axes=[y, x], title="all images, aligned")
        self.largest = ArrayView(shape, "i4", unit="counts", axes=[y, x], title="largest change from one to the next")
        self.shift = ArrayView((None, 2), unit="px", axes=["frame", "direction"], fill=np.nan, title="drift, y and x")
        self.changed = ArrayView((None,), unit="counts", axes=["frame"], fill=np.nan, title="largest change")
        self.views = {
            "largest": {"change": self.largest}, "sum": {"counts": self.sum},
            "frames": {"shift": self.shift, "changed": self.changed},
        }  # fmt: skip

    def reduce(self, image: dict[str, Any]) -> None:
        """Take in one image."""
        frame = image["frame"]
        if frame >= len(self.shift) or np.isnan(self.shift.array[frame, 0]):
            self.shift.set(frame, image["shift"])
            self.sum.add(..., image["aligned"])
            if frame >= len(self.changed):
                self.changed.set(frame, np.nan)
        if "difference" in image:
            self.changed.set(frame, image["changed"])
            self.largest.set(..., np.maximum(self.largest.array, abs(image["difference"])))
