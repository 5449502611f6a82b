"""Code of the pipelines whose files are looked at."""

from typing import Any

import numpy as np

from penstock.core.event import Event

__all__ = ["find", "is_hit", "stumble"]


def is_hit(number: int) -> bool:
    """Whether a frame is one."""
    return number % 7 == 3


def find(event: Event) -> dict[str, Any] | None:
    """Return what is found in a frame; nothing of every fifth, and no word of hits of every eleventh."""
    number = int(event["a"].key)
    if number % 5 == 0:
        return None
    found = {"peaks": float(np.asarray(event["b"].array).ravel()[0])}
    return found if number % 11 == 0 else {**found, "is_hit": is_hit(number)}


def stumble(event: Event) -> dict[str, Any]:
    """Return whether a frame is a hit, and fail at the three hundredth."""
    number = int(event["a"].key)
    if number == 300:
        raise ValueError("a frame that cannot be read")
    return {"is_hit": is_hit(number)}
