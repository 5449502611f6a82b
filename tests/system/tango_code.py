"""What the pipelines that tests show to Tango run: workers with parameters of every kind."""

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import FilePath

from penstock.core.parameter import Unit


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
