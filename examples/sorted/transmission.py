"""The worker: how much of the beam goes through the sample, and where the motor was.

>>> import numpy as np
>>> from penstock.testing import make_event
>>> at = np.array((0.0, 1.5), [("INENC1.VAL.Mean", float), ("INENC2.VAL.Mean", float)])
>>> transmission(make_event(currents=np.array([2e-9, 1e-9, 0, 0]), panda=at))
{'x': 1.5, 'transmission': 0.5, 'I0': 2e-09}
"""

from typing import Annotated, Any

from annotated_types import Gt

from penstock import Event, Unit


def transmission(
    event: Event, *, least_A: Annotated[float, Unit("A"), Gt(0), "with less, there is no beam"] = 1e-12
) -> dict[str, Any] | None:
    """Measure one point; nothing comes of it without a position or without beam."""
    currents, position = event["currents"], event["panda"]
    if currents is None or position is None:
        return None
    before, behind, *_ = currents.array.tolist()
    if before < least_A:
        return None
    return {"x": float(position.array["INENC2.VAL.Mean"]), "transmission": behind / before, "I0": before}
