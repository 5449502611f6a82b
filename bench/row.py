"""One measured fact, and how a fact is measured: several runs, the median, the collector off."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Failed", "Row", "in_turns", "median_s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured, what limits it, and what is asked."""

    name: str
    value: float
    """In ``unit``."""
    unit: str
    reference: float
    """The limit or peer measured in the same run, in ``unit``: what ``of`` names; 0 if there is none."""
    of: str
    """What the reference is, in words; begins with "recorded" if it was measured elsewhere."""
    target: float | None = None
    """In ``unit``; ``None`` if nothing is asked of the value itself."""
    target_ratio: float | None = None
    """Asked of the value in parts of the reference; ``None`` if nothing is."""
    asks: Literal["at least", "at most"] = "at least"
    """What both targets are."""

    @property
    def ratio(self) -> float:
        """Value in parts of the reference; 0 where the reference is 0."""
        return self.value / self.reference if self.reference else 0.0

    @property
    def is_asked(self) -> bool:
        """Whether there is a target; otherwise it is printed for people to know."""
        return self.target is not None or self.target_ratio is not None

    @property
    def met(self) -> bool:
        """Whether the targets there are are reached."""
        return self._reaches(self.value, self.target) and self._reaches(self.ratio, self.target_ratio)

    def as_json(self) -> dict[str, Any]:  # Any: texts, numbers and a boolean
        """Return the row as it is printed for machines."""
        return asdict(self) | {"ratio": self.ratio, "met": self.met}

    def _reaches(self, value: float, target: float | None) -> bool:
        if target is None:
            return True
        return value >= target if self.asks == "at least" else value <= target


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What could not be measured; it counts as a target missed."""

    name: str
    why: str
    met: bool = False

    def as_json(self) -> dict[str, Any]:  # Any: texts and a boolean
        """Return it as it is printed for machines."""
        return asdict(self)


def median_s(work: Callable[[], object], runs: int = 5) -> float:
    """Return the median of the seconds ``work`` takes, after one run that is not counted."""
    work()
    took = []
    for _ in range(runs):
        gc.collect()
        gc.disable()
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
        gc.enable()
    return statistics.median(took)


def in_turns(runs: int, reference: Callable[[], float], *works: Callable[[], float]) -> list[float]:
    """Return the medians of a reference and of some figures, measured in turns.

    The reference comes before and after every turn, because a machine that others use too is fast at one time and slow
    at another, and for seconds (seen: twice the memory bandwidth).
    """
    references, figures = [reference()], []
    for _ in range(runs):
        figures.append([work() for work in works])
        references.append(reference())
    return [statistics.median(references), *map(statistics.median, zip(*figures, strict=True))]
