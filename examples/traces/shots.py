"""The reducer: the mean pulse of each channel, and every shot's height, area and rise."""

from typing import Any

import numpy as np

from penstock import ArrayView, Axis


class Shots:
    """Lays its views out when the first shot comes, because only that says how many channels and samples there are."""

    def __init__(self) -> None:
        self.views: dict[str, Any] = {}
        self.count = 0

    def reduce(self, shot: dict[str, Any]) -> None:
        """Take in one shot; of another number of channels or samples it is refused."""
        trace = shot["trace_V"]
        if not self.views:
            self._lay_out(shot)
        if trace.shape != self.mean.shape:
            raise ValueError(f"a shot of {trace.shape} channels and samples after some of {self.mean.shape}")
        self.count += 1
        self.mean.set(..., self.mean.array + (trace - self.mean.array) / self.count)
        self.last.set(..., trace)
        for name, view in self.curves.items():
            view.append(shot[name])

    def _lay_out(self, shot: dict[str, Any]) -> None:
        channels, samples = shot["trace_V"].shape
        time_ns = (shot["offset_s"] + np.arange(samples) * shot["interval_s"]) * 1e9
        axes = [Axis("channel", values=np.array(shot["channels"])), Axis("time", "ns", time_ns)]
        self.mean = ArrayView((channels, samples), unit="V", axes=axes, title="mean of all shots")
        self.last = ArrayView((channels, samples), unit="V", axes=axes, title="the last shot")
        units = {"height_V": "V", "area_Vs": "V s", "rise_s": "s"}
        self.curves = {
            name: ArrayView((None, channels), unit=unit, axes=["shot", axes[0]]) for name, unit in units.items()
        }
        self.views = {"traces": {"mean": self.mean, "last": self.last}, "shots": self.curves}
