"""What a beamline's slow control reads: a vacuum gauge and a thermometer. Here they are made up."""

import math
from itertools import count

_readings = count()


def read() -> dict:
    """Return the gauges as they are now; a leak opens at the 20th reading and is mended at the 40th."""
    n = next(_readings)
    leak = 5e-6 if 20 <= n < 40 else 0.0
    return {
        "reading": n,
        "pressure_mbar": 2e-7 * (1 + 0.1 * math.sin(n)) + leak,
        "temperature_K": 80 + 0.05 * math.cos(n / 5),
    }


def in_words(item: dict) -> dict:
    """Return what somebody on call wants to read."""
    return {**item, "text": f"vacuum {item['pressure_mbar']:.1e} mbar at reading {item['reading']}"}
