"""A supernova alert: detectors send how significant their counts are, one process combines them, another raises alerts.

A core collapse shows in every neutrino detector of the world within a second, in each perhaps as a few events above its
background. Alone none of them would dare to wake anybody; together they may.

A *series* is a dictionary: ``id`` (the detector), ``t0`` (s, of the first bin), ``dt`` (s, of a bin) and ``z``, (n,)
float64, how many standard deviations each bin's counts lie above the background.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()
LEAST_P = 1e-300


# The detectors


async def series(
    detector: str,
    background_per_s: float = 100.0,
    burst_at_s: float = 30.0,
    burst_counts: float = 400.0,
    seconds: int = 60,
    seed: int = 1,
    speed: float = 1.0,
    dt: float = 0.1,
    begin_s: float = 0.0,
) -> AsyncIterator[dict]:
    """Yield a series of one second after the other, as a detector would: counts that are there by chance, and a burst.

    ``speed`` lets time pass faster; ``begin_s`` is when the first bin begins, of the same clock for all detectors.
    """
    rng = np.random.default_rng([seed, *detector.encode()])
    bins = round(1 / dt)
    for second in range(seconds):
        t = second + (np.arange(bins) + 0.5) * dt
        since = t - burst_at_s
        burst = np.where(since >= 0, np.exp(-np.clip(since, 0, None) / 2), 0.0) * burst_counts * dt / 2
        counts = rng.poisson(background_per_s * dt + burst)
        yield {"id": detector, "t0": begin_s + second, "dt": dt, "z": significance(counts, background_per_s * dt)}
        await asyncio.sleep(1 / speed)


def significance(counts: np.ndarray, expected: float) -> np.ndarray:
    """Return standard deviations above what is expected, (n,), by the transform that makes Poisson counts normal."""
    return 2 * (np.sqrt(counts + 3 / 8) - np.sqrt(expected + 3 / 8))


# The combination


class Combination:
    """Bring the series of several detectors together bin by bin, whichever comes first; a series may correct another.

    It gives a series whose ``z`` is (n, detectors), with NaN where a detector has said nothing, for what has just come;
    older than ``keep_s`` is forgotten.
    """

    def __init__(self, keep_s: float = 60.0) -> None:
        self.keep_s = keep_s
        self.bins: dict[int, dict[str, float]] = {}
        self.dt = 0.0
        self.ids: list[str] = []

    def __call__(self, one: dict) -> dict:
        if self.dt and not math.isclose(one["dt"], self.dt):
            raise ValueError(f"{one['id']} has bins of {one['dt']} s, the others of {self.dt} s")
        self.dt = one["dt"]
        if one["id"] not in self.ids:
            self.ids = sorted([*self.ids, one["id"]])
        first = round(one["t0"] / self.dt)
        for k, z in enumerate(one["z"]):
            self.bins.setdefault(first + k, {})[one["id"]] = float(z)
        newest = max(self.bins)
        for old in [k for k in self.bins if k < newest - self.keep_s / self.dt]:
            del self.bins[old]
        rows = range(first, first + len(one["z"]))
        z = np.array([[self.bins.get(k, {}).get(name, np.nan) for name in self.ids] for k in rows])
        return {"id": "+".join(self.ids), "t0": one["t0"], "dt": self.dt, "z": z}


class Fisher:
    """Combine by Fisher: twice the sum of −ln p over the detectors that are there has a χ² distribution."""

    def __call__(self, together: dict) -> dict:
        z = [fisher(row[~np.isnan(row)]) for row in together["z"]]
        return {**together, "z": np.array(z), "by": "Fisher"}


class Stouffer:
    """Combine by Stouffer: the weighted sum of the z values, by default with equal weights, is normal again."""

    def __init__(self, weights: dict[str, float] | None = None) -> None:
        self.weights = weights or {}

    def __call__(self, together: dict) -> dict:
        weights = np.array([self.weights.get(name, 1.0) for name in together["id"].split("+")])
        there = ~np.isnan(together["z"])
        weighted = np.where(there, np.nan_to_num(together["z"]) * weights, 0.0).sum(axis=1)
        norm = np.sqrt((there * weights**2).sum(axis=1))
        z = np.divide(weighted, norm, out=np.full(len(norm), np.nan), where=norm > 0)
        return {**together, "z": z, "by": "Stouffer"}


def fisher(z: np.ndarray) -> float:
    """Return the z of several z values together; NaN of none.

    >>> round(fisher(np.array([3.0])), 6)
    3.0
    """
    if len(z) == 0:
        return math.nan
    half = -sum(math.log(max(above(value), LEAST_P)) for value in z)  # half of χ², with 2n degrees of freedom
    term = total = math.exp(-half)
    for k in range(1, len(z)):
        term *= half / k
        total += term
    return -NORMAL.inv_cdf(min(max(total, LEAST_P), 1 - 1e-16))


def above(z: float) -> float:
    """Return how probable a value of z or more is by chance."""
    return 0.5 * math.erfc(z / math.sqrt(2))


# The alert


class Alerts:
    """Tell when a stretch of bins lies above the threshold: NEW, then UPDATE as more is known, DELETE if it has gone.

    Stretches less than ``gap_s`` apart are one alert. It keeps its number over all updates, and is closed ``keep_s``
    after its last bin.
    """

    def __init__(self, gap_s: float = 2.0, keep_s: float = 20.0, *, threshold: float = 5.0) -> None:
        self.gap_s = gap_s
        self.keep_s = keep_s
        self.threshold = threshold
        self.bins: dict[int, float] = {}
        self.open: dict[int, tuple[int, int, float]] = {}
        """Number → first bin, last bin, highest z."""
        self.next = 1

    def __call__(self, upstream: Iterator[dict]) -> Iterator[dict]:
        for combined in upstream:
            first = round(combined["t0"] / combined["dt"])
            self.bins.update({first + k: float(z) for k, z in enumerate(combined["z"])})
            newest = max(self.bins)
            oldest = newest - round(self.keep_s / combined["dt"])
            for old in [k for k in self.bins if k < oldest]:
                del self.bins[old]
            self.open = {number: found for number, found in self.open.items() if found[1] >= oldest}
            yield from self.compared(combined)

    def compared(self, combined: dict) -> Iterator[dict]:
        """Yield what has changed."""
        found = self.stretches(round(self.gap_s / combined["dt"]))
        for number, before in list(self.open.items()):
            now = next((each for each in found if each[0] <= before[1] and before[0] <= each[1]), None)
            if now is None:
                del self.open[number]
                yield self.told("DELETE", number, before, combined)
            else:
                found.remove(now)
                if now != before:
                    self.open[number] = now
                    yield self.told("UPDATE", number, now, combined)
        for each in found:
            self.open[self.next] = each
            yield self.told("NEW", self.next, each, combined)
            self.next += 1

    def stretches(self, gap: int) -> list[tuple[int, int, float]]:
        """Return each run of bins above the threshold that are less than so many apart."""
        found: list[tuple[int, int, float]] = []
        for k in sorted(k for k, z in self.bins.items() if z > self.threshold):
            if found and k - found[-1][1] < gap:
                found[-1] = (found[-1][0], k, max(found[-1][2], self.bins[k]))
            else:
                found.append((k, k, self.bins[k]))
        return found

    @staticmethod
    def told(what: str, number: int, found: tuple[int, int, float], combined: dict) -> dict:
        dt = combined["dt"]
        return {
            "what": what,
            "alert": number,
            "from_s": round(found[0] * dt, 6),
            "to_s": round((found[1] + 1) * dt, 6),
            "z": round(found[2], 2),
            "by": combined["by"],
            "detectors": combined["id"],
        }
