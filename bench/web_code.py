"""A pipeline to look at: a clock, and a reducer with a view of 80 MB and an image of one million pixels."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.core import Block, Message
from penstock.core.decoder import Traits
from penstock.elements import Reading, Source
from penstock.pipeline import Map, Pipeline, Reduce
from penstock.pipeline import Source as SourceEntry
from penstock.views import ArrayView

__all__ = ["BIG_SHAPE", "IMAGE_SHAPE", "shown"]

BIG_SHAPE = (1000, 10_000)
"""Of float64: 80 MB."""
IMAGE_SHAPE = (1024, 1024)


class Clock(Source):
    """A message so many times a second, until the run is stopped."""

    traits = Traits(number="tick", first=0, has_start=False, has_end=False)

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._next, self._due_ns = 0, 0

    def wait_s(self, now_ns: int) -> float:
        """Return how long it is until the next."""
        return max(0.0, (self._due_ns - now_ns) / 1e9)

    def read(self, now_ns: int) -> Reading:
        """Return one, if it is time."""
        if now_ns < self._due_ns:
            return Reading()
        self._due_ns = max(self._due_ns, now_ns - self._period_ns) + self._period_ns
        number = np.array([self._next], np.uint64)
        self._next += 1
        block = Block(stream=self.stream, ids=number + np.uint64(1), keys=number, timestamps=np.array([now_ns]))
        return Reading(blocks=[block])


def tick(message: Message) -> int:
    """Return its number."""
    return message.key or 0


class Shown:
    """Sets a row of the large view, and all of the image, with each tick."""

    def __init__(self) -> None:
        self._big = ArrayView(BIG_SHAPE, unit="counts")
        self._image = ArrayView(IMAGE_SHAPE, unit="counts")
        self._noise = np.random.default_rng(1).random(IMAGE_SHAPE)
        self._ticks = 0

    @property
    def views(self) -> Mapping[str, Any]:
        """Both, and how many ticks there were."""
        return {"big": self._big, "image": self._image, "ticks": self._ticks}

    def reduce(self, number: int) -> None:
        """Take one in."""
        self._big.set(number % BIG_SHAPE[0], number)
        self._image.set(..., self._noise + number)
        self._ticks += 1


def shown(rate_hz: float) -> Pipeline:
    """Return the pipeline."""
    return Pipeline(
        name="shown",
        sources={"clock": SourceEntry(Clock, rate_hz=rate_hz)},
        stages={"count": Map(tick, source="clock"), "show": Reduce(Shown, source="count")},
    )
