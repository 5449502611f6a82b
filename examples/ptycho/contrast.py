"""The worker: what a diffraction pattern says at once of the place where it was measured.

>>> import numpy as np
>>> from penstock.testing import make_event
>>> frame = np.zeros((64, 64), int)
>>> frame[31:33, 33:35] = 5
>>> at = np.array((-0.5, 0.5), [("INENC1.VAL.Mean", float), ("INENC2.VAL.Mean", float)])
>>> found = Contrast().process(make_event(frames=frame, panda=at))
>>> found["y"], found["x"], found["bright"], found["dark"], found["shift_y"], found["shift_x"]
(-0.5, 0.5, 20, 0, 0.0, 2.0)
"""

from typing import Annotated, Any

import numpy as np
from annotated_types import Gt

from penstock import Event, Unit


class Contrast:
    """The usual contrasts of a scanning microscope, long before a reconstruction has its first iteration."""

    def __init__(
        self, *, radius_px: Annotated[float, Unit("px"), Gt(0), "of the bright field, around the middle"] = 8.0
    ) -> None:
        self.radius_px = radius_px

    def process(self, event: Event) -> dict[str, Any] | None:
        """Measure one point; nothing comes of it if the frame or the position never came."""
        frame, position = event["frames"], event["panda"]
        if frame is None or position is None:
            return None
        counts = frame.array
        y, x = np.indices(counts.shape) - (np.array(counts.shape)[:, None, None] - 1) / 2
        in_field = np.hypot(y, x) <= self.radius_px
        bright = int(counts[in_field].sum())
        shift_y, shift_x = (float((counts * each)[in_field].sum() / max(bright, 1)) for each in (y, x))
        return {
            "y": float(position.array["INENC1.VAL.Mean"]),
            "x": float(position.array["INENC2.VAL.Mean"]),
            "bright": bright,
            "dark": int(counts.sum()) - bright,
            "shift_y": shift_y,
            "shift_x": shift_x,
        }
