"""The reducer: how many images are hits, now and all the time, and where the peaks of all crystals lie."""

from collections import deque
from typing import Any

import numpy as np

from penstock import ArrayView, Axis

SHAPE = (256, 256)
EVERY = 50
"""Images of one point of the hit rate."""
RESOLUTIONS_per_A = np.linspace(0, 0.5, 51)


class Hits:
    """Count hits and gather peaks."""

    def __init__(self) -> None:
        self.latest: deque[bool] = deque(maxlen=EVERY)
        self.rate = ArrayView((None,), unit="1", axes=[f"{EVERY} images"], title="hit rate")
        self.powder = ArrayView(SHAPE, unit="counts", axes=["y", "x"], title="peaks of all crystals")
        middles = (RESOLUTIONS_per_A[1:] + RESOLUTIONS_per_A[:-1]) / 2
        axes = [Axis("inverse_d", "1/Å", middles)]
        self.peaks = ArrayView((len(middles),), int, unit="peaks", axes=axes, title="peaks by resolution")
        self.views: dict[str, Any] = {
            "images": 0, "hits": 0, "hit_rate": 0.0, "rate": self.rate, "powder": self.powder, "peaks": self.peaks,
        }  # fmt: skip

    def reduce(self, found: dict[str, Any]) -> None:
        """Take in what was found in one image."""
        self.latest.append(found["is_hit"])
        self.views["images"] += 1
        self.views["hits"] += int(found["is_hit"])
        self.views["hit_rate"] = sum(self.latest) / len(self.latest)
        if not self.views["images"] % EVERY:
            self.rate.append(self.views["hit_rate"])
        if found["is_hit"]:
            y, x, counts, resolution_A = found["peaks"].T
            for at in zip(np.rint(y).astype(int), np.rint(x).astype(int), counts, strict=True):
                self.powder.add(at[:2], at[2])
            self.peaks.add(..., np.histogram(1 / resolution_A, RESOLUTIONS_per_A)[0])
