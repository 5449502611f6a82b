"""One process of an rta-dp configuration, read: what it takes in, which analyses it does, where results go.

It is what the file says in our words; it opens nothing and imports nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.compat.rtadp.messages import Flow
from penstock.pipeline.document import Place

__all__ = ["NONE", "Analysis", "Block", "Processing", "ResultFlow", "Sockets"]

NONE = "none"
"""What stands for no socket."""

Sockets = Literal["pushpull", "pubsub", "custom", "none"]
Processing = Literal["thread", "process"]
ResultFlow = Literal["string", "filename", "binary", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What rta-dp calls a manager: workers that all do the same, and where their results go."""

    name: str
    group: str
    """Of its workers, ``name_workers``."""
    workers: int
    sockets: Sockets
    flow: ResultFlow
    low: str
    """Address for results of the low lane; ``none``."""
    high: str
    use: str = ""
    """Its worker's class as ``module:Class``, where the file says so."""
    trail: tuple[Any, ...] = ()
    """Where it stands in the file."""

    def address(self, lane: str) -> str:
        """Return where results of a lane go; empty: nowhere."""
        written = self.high if lane == "high" else self.low
        return "" if NONE in (written, self.sockets, self.flow) else written


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One process."""

    name: str
    flow: Flow
    processing: Processing
    sockets: Sockets
    low: str
    high: str
    command: str
    monitoring: str
    analyses: tuple[Analysis, ...]
    logs: str = ""
    """Folder of its log; empty: none is written."""
    drops: bool = False
    """Whether data are dropped where there is no room."""
    use: str = ""
    written: Mapping[str, Any] = field(default_factory=dict)
    """The block in the current form, as users' classes see it."""
    index: int = 0
    """Which block of the file."""
    places: Mapping[tuple[Any, ...], Place] = field(default_factory=dict, repr=False)

    def address(self, lane: str) -> str:
        """Return where data of a lane come from; empty: there is no such lane."""
        written = self.high if lane == "high" else self.low
        return "" if written == NONE else written

    @property
    def lanes(self) -> tuple[str, ...]:
        """Those there are, high before low."""
        return tuple(lane for lane in ("high", "low") if self.address(lane))

    def full_name(self, analysis: Analysis) -> str:
        """Return the name by which messages call an analysis."""
        return f"{self.name}-{analysis.name}"
