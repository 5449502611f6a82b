"""An analysis that says when it has enough, for processes that import it by name."""

from typing import Any

import penstock


class Judge:
    """Has enough of a point with its third reading, and of all with the second one of the point at 1."""

    def __init__(self) -> None:
        self._readings: dict[float, int] = {}

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        x, event = item["x"], item["event"]
        count = self._readings[x] = self._readings.get(x, 0) + 1
        if x == 1 and count == 2:
            penstock.feedback("stop", "the edge is seen", event=event)
        elif x < 1 and count == 3:
            penstock.feedback("next", f"three at {x}", event=event)
        return item
