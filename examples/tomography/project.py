"""The worker: which angle a projection has, and what it adds to a slice of the sample.

>>> import numpy as np
>>> from penstock import Kind
>>> from penstock.testing import make_event, make_message
>>> worker = Project()
>>> worker.start(make_event(kind=Kind.START, camera=np.full((3, 8), 100), axis=None))
>>> told = make_message(timestamp_ns=10**9, angle_deg=30.0, speed_deg_s=2.0)
>>> image = make_message(np.full((3, 8), 50), timestamp_ns=10**9 + 5 * 10**8)
>>> found = worker.process(make_event(camera=image, axis=told))
>>> found["angle_deg"], found["age_s"], found["line"].round(3).tolist()
(31.0, 0.5, [0.693, 0.693, 0.693, 0.693, 0.693, 0.693, 0.693, 0.693])
"""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from penstock import Event, Message, Unit


class Project:
    """Tags a projection by the last reading of the axis, and goes on from there with its speed.

    Parameters
    ----------
    row
        Of the images: which slice is looked at.
    centre_px
        Where the axis is in a row, from the middle; a parameter, because it is what one turns until a slice is sharp.
    """

    def __init__(
        self, row: Annotated[int, Ge(0)] = 0, *, centre_px: Annotated[float, Unit("px"), "of the axis"] = 0.0
    ) -> None:
        self.row, self.centre_px = row, centre_px

    def start(self, event: Event) -> None:
        """Take the image without a sample."""
        self.flat = event["camera"].array[self.row].astype(float)

    def process(self, event: Event) -> dict[str, Any] | None:
        """Turn one projection into its part of the slice; nothing comes of it while the axis has said nothing."""
        image, axis = event["camera"], event["axis"]
        if image is None or axis is None:
            return None
        angle_deg, age_s = angle(image, axis)
        line = -np.log(np.maximum(image.array[self.row], 1) / self.flat)
        return {"angle_deg": angle_deg, "age_s": age_s, "line": line, "part": self._part(line, np.radians(angle_deg))}

    def _part(self, line: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
        """Return what a line adds to the slice, (n, n): filtered, and drawn across it at its angle."""
        n = len(line)
        s = np.arange(n) - (n - 1) / 2 - self.centre_px
        y, x = np.indices((n, n)) - (n - 1) / 2
        filtered = np.fft.irfft(np.fft.rfft(line, 2 * n) * _ramp(n), 2 * n)[:n]
        return np.interp(x * np.cos(angle) + y * np.sin(angle), s, filtered)


def angle(image: Message, axis: Message) -> tuple[float, float]:
    """Return the angle at the time of an image, in degrees, and how old the reading is that says so, in s."""
    age_s = (image.timestamp_ns - axis.timestamp_ns) / 1e9
    return axis.metadata["angle_deg"] + axis.metadata["speed_deg_s"] * age_s, age_s


def _ramp(n: int) -> NDArray[np.float64]:
    """Return the filter of Ramachandran and Lakshminarayanan for 2n samples, made in space so that zero is right."""
    k = np.fft.fftfreq(2 * n, 1 / (2 * n)).round().astype(int)
    taps = np.zeros(2 * n)
    taps[k == 0] = 1 / 4
    odd = k % 2 == 1
    taps[odd] = -1 / (np.pi * k[odd]) ** 2
    return np.fft.rfft(taps).real
