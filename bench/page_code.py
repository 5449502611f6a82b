"""A pipeline to look at: an image of four million pixels that says when it was made, a series of a million points."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.web_code import Clock, tick
from penstock.pipeline import Map, Pipeline, Reduce
from penstock.pipeline import Source as SourceEntry
from penstock.views import ArrayView

__all__ = ["POINTS", "DAY_ms", "Watched", "watched"]

IMAGE_SHAPE = (2048, 2048)
POINTS = 1_000_000
MORE = 100
"""Points with each tick."""
DAY_ms = 86_400_000


class Watched:
    """Publishes with each tick.

    The largest pixel is the time of the day in ms, UTC: a page that draws the image says its largest colour, and so
    which image it has drawn.
    """

    def __init__(self) -> None:
        self._image = ArrayView(IMAGE_SHAPE, np.uint32, unit="ms", title="image")
        self._noise = np.random.default_rng(1).integers(0, 1000, IMAGE_SHAPE, np.uint32)
        self._series = ArrayView((None,), unit="counts", title="series")
        for value in np.random.default_rng(2).random((POINTS // MORE, MORE)).cumsum(0).T.ravel():
            self._series.append(value)
        self._ticks = 0

    @property
    def views(self) -> Mapping[str, Any]:
        """Both, and how many ticks there were."""
        return {"image": self._image, "series": self._series, "ticks": self._ticks}

    def reduce(self, number: int) -> None:
        """Take one in."""
        self._noise[0, 0] = time.time_ns() // 1_000_000 % DAY_ms
        self._image.set(..., self._noise)
        for value in np.sin(np.arange(MORE) / MORE + number):
            self._series.append(value)
        self._ticks += 1


def watched(rate_hz: float) -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        name="watched",
        sources={"clock": SourceEntry(Clock, rate_hz=rate_hz)},
        stages={"count": Map(tick, source="clock"), "show": Reduce(Watched, source="count")},
    )
