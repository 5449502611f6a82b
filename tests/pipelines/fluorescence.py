"""User code of the fluorescence examples: small, and callable by hand."""

from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from penstock.core import Event, Message
from penstock.core.parameter import Unit


class FitSpectrum:
    """Counts of each line of a spectrum."""

    def __init__(self, lines: Sequence[str], *, roi_start_keV: Annotated[float, Unit("keV"), Ge(0)] = 5.0) -> None:
        self.lines = list(lines)
        self.roi_start_keV = roi_start_keV

    def process(self, event: Event) -> dict[str, float]:
        """Sum the spectrum of a point, for each line."""
        spectrum = event["xspress3"].array
        return dict.fromkeys(self.lines, float(np.sum(spectrum)))


class ConcentrationMap:
    """One value a point and line."""

    def __init__(self) -> None:
        self.views: dict[str, Any] = {}

    def reduce(self, value: dict[str, float]) -> None:
        """Append a point."""
        for line, counts in value.items():
            self.views.setdefault(line, []).append(counts)


class KeepLast:
    """The last few events, to look at."""

    def __init__(self, n: int = 5) -> None:
        self.events: deque[Event | Message] = deque(maxlen=n)

    def process(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)
