"""The worker: height, area and rise of a pulse, in each channel of an oscilloscope.

>>> import numpy as np
>>> from penstock.testing import make_message
>>> trace = np.array([[0.1, 0.1, 0.1, 0.1, 0.6, 1.1, 0.6, 0.1]])
>>> told = {"ch": 2, "horiz_offset": -4e-9, "horiz_interval": 1e-9}
>>> found = measure(make_message(trace, traces=[told]), before_ns=1)
>>> found["channels"], found["height_V"].round(3).tolist(), (found["area_Vs"] * 1e9).round(3).tolist()
([2], [1.0], [2.0])
"""

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from penstock import Message, Unit


def measure(
    shot: Message,
    *,
    before_ns: Annotated[float, Unit("ns"), Ge(0), "all until so long before the trigger is taken for 0 V"] = 1.0,
) -> dict[str, Any]:
    """Measure one acquisition; of several segments, their mean.

    A channel without anything before the pulse has no level of its own, and keeps the one it came with.
    """
    told = shot.metadata["traces"]
    traces = [array.mean(axis=0) for array in shot.arrays]
    if len({len(trace) for trace in traces}) > 1:
        raise ValueError(f"channels of {[len(trace) for trace in traces]} samples; set all to the same length")
    pulses = [_without_level(trace, each, before_ns) for trace, each in zip(traces, told, strict=True)]
    intervals = [each["horiz_interval"] for each in told]
    return {
        "channels": [each["ch"] for each in told],
        "offset_s": told[0]["horiz_offset"],
        "interval_s": intervals[0],
        "trace_V": np.stack(pulses),
        "height_V": np.array([trace[abs(trace).argmax()] for trace in pulses]),
        "area_Vs": np.array([trace.sum() * each for trace, each in zip(pulses, intervals, strict=True)]),
        "rise_s": np.array([_rise(trace) * each for trace, each in zip(pulses, intervals, strict=True)]),
    }


def _without_level(trace: NDArray[np.float64], told: dict[str, Any], before_ns: float) -> NDArray[np.float64]:
    quiet = int((-before_ns * 1e-9 - told["horiz_offset"]) / told["horiz_interval"])
    return trace - trace[:quiet].mean() if quiet > 0 else trace


def _rise(trace: NDArray[np.float64]) -> float:
    """Return how many samples the edge before the highest takes from 10 % to 90 %; NaN if it has no foot."""
    top = int(abs(trace).argmax())
    size = abs(trace[: top + 1]) / (abs(trace[top]) or 1)
    (low,) = np.nonzero(size < 0.1)
    return float((size[low[-1] :] >= 0.9).argmax()) if len(low) else np.nan
