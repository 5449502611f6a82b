"""The reducer: the beam over time, and how steady it is."""

from collections import deque
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from penstock import ArrayView


class Watch:
    """Keep every reading, and say of the last few how much they differ.

    >>> watch = Watch(last=2)
    >>> for n, flux in enumerate((5e9, 1e9, 3e9)):
    ...     watch.reduce({"time_s": 10.0 + n, "I0_A": 1e-9, "photons_per_s": flux, "transmission": 0.5})
    >>> watch.views["photons_per_s"], watch.views["spread"]
    (3000000000.0, 0.5)
    >>> watch.views["over_time"]["time_s"].array
    array([0., 1., 2.])

    Parameters
    ----------
    last
        How many readings the spread is of.
    """

    def __init__(self, last: Annotated[int, Ge(2)] = 100) -> None:
        curves = {"photons_per_s": "photons/s", "I0_A": "A", "transmission": ""}
        self.curves = {name: ArrayView((None,), unit=unit, axes=["time_s"]) for name, unit in curves.items()}
        self.time_s = ArrayView((None,), unit="s", title="since the first reading")
        self.last: deque[float] = deque(maxlen=last)
        self.first_s: float | None = None
        self.views: dict[str, Any] = {
            "photons_per_s": 0.0, "transmission": np.nan, "spread": np.nan,
            "over_time": {**self.curves, "time_s": self.time_s},
        }  # fmt: skip

    def reduce(self, reading: dict[str, Any]) -> None:
        """Take in one reading."""
        self.first_s = reading["time_s"] if self.first_s is None else self.first_s
        self.time_s.append(reading["time_s"] - self.first_s)
        for name, view in self.curves.items():
            view.append(reading[name])
        self.last.append(reading["photons_per_s"])
        mean = float(np.mean(self.last))
        self.views["photons_per_s"], self.views["transmission"] = reading["photons_per_s"], reading["transmission"]
        self.views["spread"] = float(np.std(self.last)) / mean if mean > 0 else np.nan
