"""The demo's pipeline: a made-up detector and made-up motors, their events, a fit of each, and a map of the sample.

What stands here is written as a user would write it; only the instruments do not exist.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from penstock.core import NS_PER_S, Event, Kind, Message
from penstock.core.decoder import Traits
from penstock.core.parameter import Unit
from penstock.elements import Reading, Source
from penstock.pipeline import ByTriggerMap, Join, Map, Pipeline, Reduce, Sink
from penstock.pipeline import Source as SourceEntry
from penstock.simulators.xrf_scan import BIN_keV, LINES_keV, XrfScan
from penstock.views import ArrayView, Axis

__all__ = ["Detector", "ElementMap", "Motors", "count_photons", "demo_pipeline"]

MOST_AT_ONCE = 64


class _Instrument(Source, ABC):
    """Says its header, one message for each point as its time comes, and its end."""

    traits = Traits(number="point", first=0)

    def __init__(self, rows: int, columns: int, rate_hz: float) -> None:
        self._scan = XrfScan(rows, columns)
        self._rate_hz = rate_hz
        self._began_ns: int | None = None
        self._next = 0

    def wait_s(self, now_ns: int) -> float | None:
        """Return how long it is until the next point; flat out and at the beginning nothing is waited for."""
        if not self._rate_hz or self._began_ns is None:
            return None
        return max(0.0, (self._due_ns(self._next) - now_ns) / NS_PER_S)

    def read(self, now_ns: int) -> Reading:
        """Return what is due by now; flat out, a handful at a time."""
        messages = []
        if self._began_ns is None:
            self._began_ns = now_ns
            shape = {"shape": [self._scan.rows, self._scan.columns]}
            messages.append(Message(kind=Kind.START, metadata=shape, timestamp_ns=now_ns))
        first, self._next = self._next, self._stop(now_ns)
        messages += [Message(key=n, array=self._at(n), timestamp_ns=now_ns) for n in range(first, self._next)]
        ended = self._next == self._scan.points
        if ended:
            messages.append(Message(kind=Kind.END, timestamp_ns=now_ns))
        return self.reading(messages, now_ns, ended=ended)

    @abstractmethod
    def _at(self, point: int) -> NDArray[Any]:
        """Return what the instrument says at a point."""

    def _stop(self, now_ns: int) -> int:
        """Return the first point that is not due yet, or is too many."""
        stop, most = self._next, min(self._next + MOST_AT_ONCE, self._scan.points)
        if not self._rate_hz:
            return most
        while stop < most and self._due_ns(stop) <= now_ns:
            stop += 1
        return stop

    def _due_ns(self, point: int) -> int:
        return (self._began_ns or 0) + round(point * NS_PER_S / self._rate_hz)


class Detector(_Instrument):
    """Gives a spectrum a point: (1024,), counts."""

    def _at(self, point: int) -> NDArray[Any]:
        return self._scan.spectrum(point)


class Motors(_Instrument):
    """Gives where a point is: (2,), y and x, µm."""

    def _at(self, point: int) -> NDArray[Any]:
        return self._scan.position(point)


def count_photons(
    event: Event, *, half_width_keV: Annotated[float, Unit("keV"), Ge(0), "of the window around a line"] = 0.2
) -> dict[str, float] | None:
    """Count the photons around each element's line; an event without its spectrum or position gives nothing."""
    spectrum, position = event["detector"], event["motors"]
    if spectrum is None or position is None:
        return None
    y, x = position.array.tolist()
    counts = {}
    for element, line_keV in LINES_keV.items():
        first, last = (round((line_keV + side * half_width_keV) / BIN_keV) for side in (-1, 1))
        counts[element] = float(spectrum.array[first:last].sum())
    return {"y": y, "x": x, **counts}


class ElementMap:
    """Put each point where it was measured: one map an element."""

    def __init__(self, rows: int, columns: int) -> None:
        scan = XrfScan(rows, columns)
        self._y, self._x = scan.y, scan.x
        axes = Axis("y", "µm", scan.y), Axis("x", "µm", scan.x)
        self._maps = {
            element: ArrayView((rows, columns), unit="counts", axes=axes, fill=np.nan, title=element)
            for element in LINES_keV
        }
        self.views = {"map": self._maps}

    def reduce(self, value: dict[str, float]) -> None:
        """Take in one point."""
        cell = int(np.abs(self._y - value["y"]).argmin()), int(np.abs(self._x - value["x"]).argmin())
        for element, view in self._maps.items():
            view.set(cell, value[element])


def demo_pipeline(rows: int, columns: int, *, rate_hz: float, out: Path, picture: bool = True) -> Pipeline:
    """Return the demo: two instruments, joined point by point, mapped and written as HDF5 and, if asked, PNG.

    Parameters
    ----------
    rate_hz
        Points per second; 0 is flat out.
    out
        The folder of the results.
    """
    scan: dict[str, Any] = {"rows": rows, "columns": columns}
    cells = {"events": rows * columns}
    sinks = {"file": Sink("hdf5", source="image", path=str(out / "{run}.h5"))}
    if picture:
        sinks["picture"] = Sink("png", source="image", path=str(out / "{run}.png"))
    return Pipeline(
        name="demo",
        sources={
            "detector": SourceEntry(Detector, **scan, rate_hz=rate_hz),
            "motors": SourceEntry(Motors, **scan, rate_hz=rate_hz),
        },
        events={"point": Join("detector", "motors", by=ByTriggerMap(map={"detector": cells, "motors": cells}))},
        stages={"count": Map(count_photons, source="point"), "image": Reduce(ElementMap, source="count", **scan)},
        sinks=sinks,
        folder=Path.cwd(),
    )
