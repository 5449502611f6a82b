"""How long to measure, and on which engine: what whoever calls ``./dev bench`` decides."""

from dataclasses import dataclass

__all__ = ["Effort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much time each figure may take."""

    runs: int = 3
    """Of which the median is taken."""
    span_s: float = 1.5
    """Of steady work in each, at the speed that is hoped for."""
    camera_s: float = 60.0
    engine: str = "local"
    with_clone: bool = False
    """Whether the demo is installed from a fresh clone too, which takes a minute and what pip downloads."""

    @classmethod
    def quick(cls, engine: str) -> "Effort":
        """Only to see that everything works; its figures say little."""
        return cls(runs=1, span_s=0.5, camera_s=5.0, engine=engine)

    @classmethod
    def long(cls, engine: str) -> "Effort":
        """More runs, the camera for ten minutes, and the demo from a fresh clone."""
        return cls(runs=5, span_s=3.0, camera_s=600.0, engine=engine, with_clone=True)

    def count(self, rate_per_s: float, multiple: int = 1) -> int:
        """Return how many a run should have at this rate: a fifth more than the span, for the warm-up."""
        return multiple * max(1, round(1.25 * self.span_s * rate_per_s / multiple))
