"""The worker: what the sample absorbed in one image, and at which angle.

>>> import numpy as np
>>> from penstock.testing import make_event, make_message
>>> reading = np.array((30.0, 0.1), [("INENC1.VAL.Value", float), ("PCAP.TS_TRIG.Value", float)])
>>> event = make_event(
...     camera=make_message(np.full((2, 3), 100), timestamp_ns=120_000_000),
...     encoder=make_message(reading, timestamp_ns=100_000_000),
... )
>>> projection = Project(empty_counts=1000, speed_deg_per_s=100)(event)
>>> round(projection["angle_deg"], 9), projection["line"].round(3).tolist()
(32.0, [2.303, 2.303, 2.303])
"""

from typing import Annotated, Any

import numpy as np
from annotated_types import Gt

from penstock import Event, Unit

NS_PER_S = 1e9


class Project:
    """Tag an image with its angle, and take the logarithm of what came through.

    The encoder is slower than the camera: an event has its latest reading, and the stage has turned on since then.
    """

    def __init__(
        self,
        *,
        empty_counts: Annotated[float, Unit("counts"), Gt(0), "of a pixel without sample"] = 40_000,
        speed_deg_per_s: Annotated[float, Unit("deg/s"), "of the stage, as it was told"] = 100,
    ) -> None:
        self.empty_counts = empty_counts
        self.speed_deg_per_s = speed_deg_per_s

    def __call__(self, event: Event) -> dict[str, Any] | None:
        """Return one projection; nothing comes of an image before the first reading."""
        image, reading = event["camera"], event["encoder"]
        if image is None or reading is None:
            return None
        since_s = (image.timestamp_ns - reading.timestamp_ns) / NS_PER_S
        angle = float(reading.array["INENC1.VAL.Value"]) + self.speed_deg_per_s * since_s
        through = np.maximum(image.array.mean(0), 1) / self.empty_counts
        return {"angle_deg": angle, "line": -np.log(through), "stale_s": since_s}
