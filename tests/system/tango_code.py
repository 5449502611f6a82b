"""What the pipelines that tests show to Tango run: workers with parameters of every kind."""

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import FilePath

from penstock.core.parameter import Unit
from penstock.views import ArrayView


def fit(
    event: Any,
    *,
    roi: Annotated[float, Unit("keV"), Ge(0), Le(10)] = 5.9,
    above: Annotated[int, Gt(0)] = 3,
    on: bool = True,
    label: str = "iron",
    mode: Literal["fast", "slow"] = "fast",
    dark: Annotated[NDArray[np.float64] | None, Ge(0)] = None,
    geometry: FilePath | None = None,
    window: tuple[int, int] = (0, 3),
) -> float:
    return roi


def measure(event: Any) -> dict[str, Any]:
    number = int(event["a"].key)
    centre = {"x": number / 2, "is_good": True}
    return {"number": number, "centre": centre, "label": "Zürich", "line": np.arange(number % 3), "all": {"no": {}}}


class Shown:
    """Views: a map, a number, a text, and texts."""

    def __init__(self) -> None:
        self.map = ArrayView((2, 3), "f8", unit="counts", title="iron")
        self.views: dict[str, Any] = {"map": {"Fe": self.map}, "n": 0, "title": "Zürich", "names": ["a", "b"]}

    def reduce(self, value: dict[str, Any]) -> None:
        self.map.set((value["number"] % 2, slice(None)), value["number"])
        self.views["n"] += 1
