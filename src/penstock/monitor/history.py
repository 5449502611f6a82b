"""How numbers were over time, in memory of a bounded size: every second for an hour, then fewer, then none.

It has no clock and reads nothing: a point is a time and some numbers by name.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["History", "Piece", "Span"]


class Span(NamedTuple):
    """How fine a part of the past is."""

    step_s: float
    """Points lie so far apart at least, in s."""
    points: int
    """How many there are at most."""


SPANS: Final = (Span(1.0, 3600), Span(60.0, 1440), Span(600.0, 1008))
"""An hour by the second, a day by the minute, a week by ten minutes."""
TOLERANCE: Final = 0.5
"""Of the finest step: who looks once a second does so a little early now and then."""
MOST_SERIES: Final = 1_000
"""Different names at most; 50 kB each once a week has passed."""


class Piece(NamedTuple):
    """A part of the past."""

    times_s: NDArray[np.float64]
    """(n,) ascending, in s, as they were given."""
    series: dict[str, NDArray[np.float64]]
    """(n,) each; NaN where the number was not given."""


class History:
    """Numbers by name, the newest points the closest.

    What leaves a finer span is thinned, not averaged: totals stay what they were at that time, exact up to 2⁵³.

    Parameters
    ----------
    spans
        From the finest on.
    most_series
        Further names are not kept; ``unkept`` counts them.

    Examples
    --------
    >>> history = History((Span(1, 3), Span(10, 2)))
    >>> all([history.add(second, {"total": second * 100}) for second in range(25)])
    True
    >>> piece = history.piece()
    >>> piece.times_s.tolist(), piece.series["total"].tolist()
    ([10.0, 20.0, 22.0, 23.0, 24.0], [1000.0, 2000.0, 2200.0, 2300.0, 2400.0])
    """

    def __init__(self, spans: Collection[Span] = SPANS, most_series: int = MOST_SERIES) -> None:
        self._rings = [_Ring(span.points) for span in spans]
        self._steps = [span.step_s for span in spans]
        self._slack_s = TOLERANCE * min(self._steps)
        self._most_series = most_series
        self._names: dict[str, None] = {}
        self._unkept: set[int] = set()

    @property
    def names(self) -> list[str]:
        """Everything there are numbers of, in the order in which they came."""
        return list(self._names)

    @property
    def unkept(self) -> int:
        """How many names there was no room for."""
        return len(self._unkept)

    def add(self, time_s: float, values: Mapping[str, float]) -> bool:
        """Add a point; return whether it is kept: one too close to the last is not, nor is one before it."""
        kept = {name: value for name, value in values.items() if self._knows(name)}
        is_kept = False
        for ring, step_s in zip(self._rings, self._steps, strict=True):
            last = ring.last_s
            if last is None or (time_s > last and time_s - last >= step_s - self._slack_s):
                ring.add(time_s, kept)
                is_kept = True
        return is_kept

    def piece(
        self, names: Collection[str] | None = None, *, since_s: float = -np.inf, most: int | None = None
    ) -> Piece:
        """Return what is known.

        Parameters
        ----------
        names
            Of which numbers; by default of all. Unknown ones are left out.
        since_s
            From when on.
        most
            No more points than this, evenly chosen, the newest among them.
        """
        wanted = [name for name in (self._names if names is None else names) if name in self._names]
        times: list[NDArray[np.float64]] = []
        found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in wanted}
        until_s = np.inf
        for ring in self._rings:  # what a finer one knows is not taken from a coarser one
            part = ring.piece(wanted, since_s, until_s)
            times.insert(0, part.times_s)
            for name, values in part.series.items():
                found[name].insert(0, values)
            until_s = min(until_s, ring.first_s)
        joined = np.concatenate(times)
        chosen = _chosen(len(joined), most)
        return Piece(joined[chosen], {name: np.concatenate(parts)[chosen] for name, parts in found.items()})

    def _knows(self, name: str) -> bool:
        if name in self._names:
            return True
        if len(self._names) >= self._most_series:
            if len(self._unkept) < self._most_series:
                self._unkept.add(hash(name))
            return False
        self._names[name] = None
        return True


class _Ring:
    """The last points of one span."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = 0
        self._times = np.full(size, np.nan)
        self._columns: dict[str, NDArray[np.float64]] = {}

    @property
    def last_s(self) -> float | None:
        return float(self._times[(self._count - 1) % self._size]) if self._count else None

    @property
    def first_s(self) -> float:
        """When its oldest point was; without one it knows nothing, and stops nobody."""
        if not self._count:
            return float(np.inf)
        return float(self._times[self._count % self._size if self._count >= self._size else 0])

    def add(self, time_s: float, values: Mapping[str, float]) -> None:
        at = self._count % self._size
        self._times[at] = time_s
        for column in self._columns.values():
            column[at] = np.nan
        for name, value in values.items():
            if name not in self._columns:
                self._columns[name] = np.full(self._size, np.nan)
            self._columns[name][at] = value
        self._count += 1

    def piece(self, names: Collection[str], since_s: float, until_s: float) -> Piece:
        """Return what lies from ``since_s`` on and before ``until_s``."""
        count = min(self._count, self._size)
        order = np.arange(self._count - count, self._count) % self._size
        times = self._times[order]
        window = slice(int(np.searchsorted(times, since_s)), bisect_left(times, until_s))
        order = order[window]
        nothing = np.full(len(order), np.nan)
        columns = {name: self._columns.get(name) for name in names}
        return Piece(times[window], {n: nothing if c is None else c[order] for n, c in columns.items()})


def _chosen(count: int, most: int | None) -> NDArray[np.intp] | slice:
    if most is None or count <= most:
        return slice(None)
    return np.unique(np.linspace(count - 1, 0, max(1, most)).round().astype(np.intp))
