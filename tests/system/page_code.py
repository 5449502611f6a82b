"""What the pipelines are made of that are looked at in a browser: a clock, views of every kind, and a day of numbers.

All that is shown follows from the parameter ``level``, so that a test knows what must be on the screen.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from penstock.core import Block, Message
from penstock.core.decoder import Traits
from penstock.core.parameter import Unit
from penstock.elements.source import Reading, Source
from penstock.testing import ManualClock
from penstock.views import ArrayView, Axis

__all__ = [
    "DAY_S",
    "Day",
    "Looks",
    "Seconds",
    "Ticks",
    "bins_of",
    "curve_of",
    "image_of",
    "second_of",
    "stack_of",
    "table_of",
    "worked",
]

NS_PER_S = 1_000_000_000
DAY_S = 24 * 3600
ENERGY_keV = np.linspace(5.0, 9.9, 50)
CHANNELS = np.array(["left", "middle", "right"])
IMAGE = (48, 64)
STEP_um = 2.0


def curve_of(level: float) -> NDArray[np.float64]:
    """(50,), in counts."""
    return level * (1 + np.arange(50.0))


def bins_of(level: float) -> NDArray[np.int64]:
    """(16,), how often."""
    return np.arange(16) * round(2 * level)


def image_of(level: float) -> NDArray[np.float64]:
    """(48, 64), in counts: no two elements are alike."""
    rows, columns = IMAGE
    numbers = columns * np.arange(rows)[:, None] + np.arange(columns) + 1
    return (level * numbers).astype(np.float64)


def stack_of(level: float) -> NDArray[np.int32]:
    """(3, 10, 20), in counts."""
    return np.arange(600, dtype=np.int32).reshape(3, 10, 20) + round(level)


def table_of(level: float) -> NDArray[np.float64]:
    """(4, 3)."""
    return level + np.arange(12.0).reshape(4, 3) / 4


class Ticks(Source):
    """A message so many times a second, until the run is stopped."""

    traits = Traits(number="tick", first=0, has_start=False, has_end=False)

    def __init__(self, rate_hz: float = 20.0) -> None:
        self._period_ns = round(NS_PER_S / rate_hz)
        self._next, self._due_ns = 0, 0

    def wait_s(self, now_ns: int) -> float:
        return max(0.0, (self._due_ns - now_ns) / NS_PER_S)

    def read(self, now_ns: int) -> Reading:
        if now_ns < self._due_ns:
            return Reading()
        self._due_ns = max(self._due_ns, now_ns - self._period_ns) + self._period_ns
        self._next += 1
        return Reading(blocks=[Block.of(self.stream, [Message(key=self._next - 1)], self._next)])


def worked(message: Message) -> int:
    """Say who it was."""
    return os.getpid()


class Looks:
    """Publishes a view of every kind.

    ``roi`` is for a test to set, from an image; it is shown as it is.
    """

    def __init__(
        self,
        *,
        level: Annotated[float, Unit("mA"), Ge(0), "what all views follow from"] = 1.0,
        roi: Annotated[list[int], "from row, to row, from column, to column"] = [0, 1, 0, 1],  # noqa: B006
    ) -> None:
        self.level, self.roi = level, roi
        self._level = ArrayView((), unit="mA", fill=np.nan, title="beam")
        self._curve = ArrayView((50,), unit="counts", axes=(Axis("energy", "keV", ENERGY_keV),), title="spectrum")
        rows, columns = (STEP_um * np.arange(length) for length in IMAGE)
        self._image = ArrayView(
            IMAGE, unit="counts", axes=(Axis("y", "µm", rows), Axis("x", "µm", columns)), title="camera"
        )
        self._stack = ArrayView((3, 10, 20), np.int32, unit="counts", axes=("frame", "row", "column"))
        self._bins = ArrayView((16,), np.int64, axes=(Axis("bin", "", np.arange(16.0)),), title="how often")
        self._table = ArrayView((4, 3), axes=(Axis("motor"), Axis("channel", "", CHANNELS)), title="readings")
        self._n = 0

    @property
    def views(self) -> Mapping[str, Any]:
        return {
            "level": self._level,
            "events": self._n,
            "says": f"level {self.level:g}",
            "roi": f"roi {self.roi}",
            "curve": self._curve,
            "image": self._image,
            "stack": self._stack,
            "bins": self._bins,
            "table": self._table,
        }

    def reduce(self, worker: int) -> None:
        self._n += 1
        if self._level.array == self.level:
            return
        self._level.set((), self.level)
        self._curve.set(..., curve_of(self.level))
        self._image.set(..., image_of(self.level))
        self._stack.set(..., stack_of(self.level))
        self._bins.set(..., bins_of(self.level))
        self._table.set(..., table_of(self.level))


class Seconds(Source):
    """A message for each second of a day by a clock that this moves on, so many to a reading; then it waits."""

    traits = Traits(number="second", first=0, has_start=False, has_end=False)

    def __init__(self, block: int = 800, most_hz: float = 20.0) -> None:
        self._block, self._period_ns = block, round(NS_PER_S / most_hz)
        self._clock = ManualClock(1_700_000_000 * NS_PER_S)
        self._next, self._due_ns = 0, 0

    def wait_s(self, now_ns: int) -> float:
        return 3600.0 if self._next >= DAY_S else max(0.0, (self._due_ns - now_ns) / NS_PER_S)

    def read(self, now_ns: int) -> Reading:
        if now_ns < self._due_ns or self._next >= DAY_S:
            return Reading()
        self._due_ns = now_ns + self._period_ns
        numbers = np.arange(self._next, min(self._next + self._block, DAY_S), dtype=np.uint64)
        times = self._clock.utc_ns() + NS_PER_S * np.arange(len(numbers))
        self._clock.advance(s=len(numbers))
        self._next += len(numbers)
        return Reading(blocks=[Block(stream=self.stream, ids=numbers + np.uint64(1), keys=numbers, timestamps=times)])


def second_of(message: Message) -> int:
    """Since 1970."""
    return message.timestamp_ns // NS_PER_S


class Day:
    """How a number was, second by second."""

    def __init__(self) -> None:
        self._time = ArrayView((None,), "M8[s]", axes=("time",))
        self._pressure = ArrayView((None,), unit="mbar", axes=("time",), title="pressure")

    @property
    def views(self) -> Mapping[str, Any]:
        return {"time": self._time, "pressure": self._pressure}

    def reduce(self, second: int) -> None:
        self._time.append(np.datetime64(second, "s"))
        self._pressure.append(np.sin(second / 600.0))
