"""Instruments that fill their frames in place, as fast as there is room or on their own clock."""

import time

import numpy as np

from bench.local_sources import template
from penstock.core.decoder import Traits
from penstock.elements.filling_source import Filled, FillingSource
from penstock.wire.reserve import Form, Reserved, layout_of

__all__ = ["Camera", "Ticker", "Touched"]


class Touched(FillingSource):
    """Frames of ``size`` MB of which only the first word is written: the number. Somebody else filled the rest.

    Parameters
    ----------
    size
        A whole number.
    n
        Frames there are.
    """

    traits = Traits(number="frame", first=0, has_start=False, has_end=False)

    def __init__(self, size: int, n: int) -> None:
        self._form = layout_of(1, (np.uint16, (512 * size, 1024)))
        self._n, self._next = n, 0

    @property
    def form(self) -> Form:
        """One frame."""
        return self._form

    def fill(self, into: Reserved, now_ns: int) -> Filled:
        """Write the number."""
        number, self._next = self._next, self._next + 1
        _put_head(into, number, now_ns)
        into.columns[0].view(np.uint64)[0, 0, 0] = number
        return Filled(rows=1, ended=self._next == self._n)


class Ticker(FillingSource):
    """Messages of 1 kB on its own clock, dated when they are made.

    Parameters
    ----------
    rate_Hz
        Of the messages.
    n
        Messages there are.
    """

    traits = Traits(number="tick", first=0, has_start=False, has_end=False)
    shape: tuple[int, ...] = (512,)

    def __init__(self, rate_Hz: float, n: int) -> None:
        self._form = layout_of(1, (np.uint16, self.shape))
        self._period_ns = round(1e9 / rate_Hz)
        self._n, self._next = n, 0
        self._begun_ns: int | None = None

    @property
    def form(self) -> Form:
        """One message."""
        return self._form

    def wait_s(self, now_ns: int) -> float | None:
        """Return how long it is until the next message is due."""
        return max(0.0, (self._due_ns(now_ns) - now_ns) / 1e9)

    def fill(self, into: Reserved, now_ns: int) -> Filled:  # noqa: ARG002 - it dates by the moment itself
        """Write the next message."""
        number, self._next = self._next, self._next + 1
        _put_head(into, number, time.time_ns())
        return Filled(rows=1, ended=self._next == self._n)

    def _due_ns(self, now_ns: int) -> int:
        if self._begun_ns is None:
            self._begun_ns = now_ns + self._period_ns
        return self._begun_ns + self._next * self._period_ns


class Camera(Ticker):
    """Frames of 24 MB on its own clock, every byte written, dated when they are due.

    The first three words are the number, and when the frame was taken and was full, in nanoseconds UTC.
    """

    shape = (512 * 24, 1024)

    def __init__(self, rate_Hz: float, n: int) -> None:
        super().__init__(rate_Hz, n)
        self._template = template(24, 0)

    def fill(self, into: Reserved, now_ns: int) -> Filled:
        """Write the next frame, as a card would that knows no processor."""
        due_ns, taken_ns = self._due_ns(now_ns), time.time_ns()
        number, self._next = self._next, self._next + 1
        _put_head(into, number, due_ns)
        frame = into.columns[0][0]
        np.copyto(frame, self._template)
        frame.view(np.uint64)[0, :3] = number, taken_ns, time.time_ns()
        return Filled(rows=1, ended=self._next == self._n)


def _put_head(into: Reserved, number: int, time_ns: int) -> None:
    if into.keys is not None:
        into.keys[0] = number
    into.timestamps[0] = time_ns
