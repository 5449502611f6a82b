"""What the pipeline of the EPICS tests is made of: parameters of several kinds, views of 0, 1 and 2 dimensions."""

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from penstock.core import Event
from penstock.core.parameter import Unit
from penstock.core.result import Result
from penstock.views import ArrayView

Gain = Annotated[float, Ge(0), Le(10), Unit("mm"), "how much"]


class Measure:
    """Say what a parameter is."""

    def __init__(
        self,
        *,
        gain: Gain = 1.5,
        times: int = 3,
        mode: Literal["fast", "slow"] = "fast",
        label: str = "x",
        dark: NDArray[np.float64] | None = None,
    ) -> None:
        self.gain = gain
        self.times, self.mode, self.label, self.dark = times, mode, label, dark

    def process(self, event: Event) -> dict[str, Any]:
        return {"gain": self.gain, "mode": self.mode, "label": self.label, "times": self.times}


class Views:
    """Show it."""

    def __init__(self) -> None:
        self.views = {
            "gain": ArrayView((), "f8", unit="mm", title="the last one"),
            "spectrum": ArrayView((4,), "i8", unit="counts"),
            "map": {"Fe": ArrayView((2, 3), "u2")},
        }

    def reduce(self, result: Result) -> None:
        gain, spectrum = self.views["gain"], self.views["spectrum"]
        assert isinstance(gain, ArrayView)
        assert isinstance(spectrum, ArrayView)
        gain.set((), result.value["gain"])
        spectrum.add(result.number % 4, 1)
