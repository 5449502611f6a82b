"""Keeps the last result of stages, for the alarms of a run of one thread; it is in nobody's books."""

from typing import Any

from penstock.core.result_range import ResultRange
from penstock.services.flow import Flow, items_of

__all__ = ["LastResults"]


class LastResults:
    """A room beside those that read a stage."""

    name = "alarms"

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Keep the last of the results that are there."""
        for value in items_of(flow) if isinstance(flow, ResultRange) else ():  # no starts and ends
            if value is not None:
                self._last[producer] = value

    def close(self, producer: str, now: int) -> None:
        """Keep what came last."""

    def get(self, stage: str) -> Any:  # what user code returns
        """Return the last result of a stage; ``None`` if there is none."""
        return self._last.get(stage)
