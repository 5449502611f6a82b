"""One measured fact, and how a fact is measured: several runs, the median, the collector off."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Row", "median_s"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was measured, what limits it, and what is asked."""

    name: str
    value: float
    """In ``unit``."""
    unit: str
    reference: float
    """The limit measured in the same run, in ``unit``: what ``of`` names."""
    of: str
    """What the reference is, in words."""
    target: float
    """In ``unit``."""
    asks: Literal["at least", "at most"] = "at least"

    @property
    def ratio(self) -> float:
        """Value in parts of the reference; 0 where the reference is 0."""
        return self.value / self.reference if self.reference else 0.0

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.value >= self.target if self.asks == "at least" else self.value <= self.target

    def as_json(self) -> dict[str, Any]:  # Any: texts, numbers and a boolean
        """Return the row as it is printed for machines."""
        return asdict(self) | {"ratio": self.ratio, "met": self.met}


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
