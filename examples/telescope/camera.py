"""A camera that is not there: triggers at random, light in a few pixels, and in time something is wrong."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

PEDESTAL, NOISE = 300, 5
"""Of a pixel that sees nothing, in ADC counts."""


def packets(
    n: int = 30_000,
    rate_Hz: float = 500.0,
    fast_from: int = 10_000,
    dead_from: int = 5_000,
    pixels: int = 256,
    speed: float = 1.0,
    seed: int = 1,
) -> Iterator[dict[str, Any]]:
    """Yield n packets, of which one in 50 measures the pedestal and one in 500 is an alert.

    From ``fast_from`` on the camera triggers five times as fast, on the moon perhaps, and from ``dead_from`` on one of
    its pixels is dead. ``speed`` lets time pass faster.
    """
    rng = np.random.default_rng(seed)
    begin_ns, begin_s, trigger_s = time.time_ns(), time.monotonic(), 0.0
    for number in range(n):
        trigger_s += rng.exponential(1 / rate_Hz if number < fast_from else 0.2 / rate_Hz)
        kind = "alert" if number % 500 == 499 else "pedestal" if number % 50 == 0 else "shower"
        charges = rng.normal(PEDESTAL, NOISE, pixels)
        if kind != "pedestal":
            charges[rng.integers(pixels, size=5)] += 1000 if kind == "alert" else 100
        if number >= dead_from:
            charges[17] = 0
        yield {
            "camera": 1,
            "packet": number,
            "trigger_ns": begin_ns + round(trigger_s * 1e9),
            "kind": kind,
            "charges": charges.round().astype(int).tolist(),
        }
        early_s = trigger_s / speed - (time.monotonic() - begin_s)
        if early_s > 0.01:
            time.sleep(early_s)
