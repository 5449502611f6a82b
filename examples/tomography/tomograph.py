"""A tomograph that does not exist: a camera behind a sample that turns, and the readback of the axis, which is slow."""

import time
from collections.abc import Iterator

import numpy as np

from penstock import Kind, Message, Timestamp
from penstock.elements import GivesMessages, Traits

ROWS, COLUMNS = 8, 96
COUNTS = 20_000
SPEED_deg_s = 30.0
FRAMES_Hz = 30.0
READINGS_Hz = 4.0
BEGAN_ns = Timestamp.from_iso("2026-11-20T12:00:00Z").ns
DISCS = ((0.0, 0.0, 30.0, 0.01), (10.0, 8.0, 8.0, 0.03), (-12.0, -6.0, 6.0, 0.02), (4.0, -15.0, 4.0, -0.01))
"""Of the sample: y, x and radius in pixels from the axis, and what each pixel absorbs more than without it."""


class Camera(GivesMessages):
    """Projections, (8, 96) uint16 counts, with the time at which each was taken; the start has one without sample.

    Parameters
    ----------
    n
        How many, 30 a second; the sample turns by a degree from one to the next.
    is_paced
        Whether they come as on a clock, or as fast as they are taken.
    seed
        Of the noise.
    """

    traits = Traits(number="frame", first=0, clock="taken")
    is_repeatable = True

    def __init__(self, n: int = 180, is_paced: bool = False, seed: int = 3) -> None:
        self.n, self.is_paced, self.seed = n, is_paced, seed

    def __iter__(self) -> Iterator[Message]:
        """Yield the flat field as the start, the projections, and the end."""
        flat = np.full((ROWS, COLUMNS), COUNTS, np.uint16)
        yield Message(kind=Kind.START, timestamp_ns=BEGAN_ns, metadata={"exposure_s": 1 / FRAMES_Hz}, array=flat)
        for frame in range(self.n):
            if self.is_paced:
                time.sleep(1 / FRAMES_Hz)
            counts = np.random.default_rng((self.seed, frame)).poisson(COUNTS * np.exp(-self.absorbed(frame)))
            image = np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16)
            yield Message(key=frame, timestamp_ns=BEGAN_ns + round(frame / FRAMES_Hz * 1e9), array=image)
        yield Message(kind=Kind.END, timestamp_ns=BEGAN_ns + round(self.n / FRAMES_Hz * 1e9))

    def absorbed(self, frame: int) -> np.ndarray:
        """Return what the sample absorbs of each pixel of a projection: (8, 96); each row is a slice alike."""
        angle = np.radians(SPEED_deg_s * frame / FRAMES_Hz)
        s = np.arange(COLUMNS) - (COLUMNS - 1) / 2
        line = np.zeros(COLUMNS)
        for y, x, radius, more in DISCS:
            apart = s - (x * np.cos(angle) + y * np.sin(angle))
            line += 2 * more * np.sqrt(np.maximum(radius**2 - apart**2, 0))
        return np.broadcast_to(line, (ROWS, COLUMNS))


class Rotation(GivesMessages):
    """The angle and the speed of the axis, four times a second, as a control system has them.

    Parameters
    ----------
    seconds
        For how long.
    is_paced
        As of the camera.
    """

    traits = Traits(clock="read", has_start=False)
    is_repeatable = True

    def __init__(self, seconds: float = 6.0, is_paced: bool = False) -> None:
        self.seconds, self.is_paced = seconds, is_paced

    def __iter__(self) -> Iterator[Message]:
        """Yield the readings, the first one before the first projection."""
        for k in range(int(self.seconds * READINGS_Hz) + 1):
            if self.is_paced and k:
                time.sleep(1 / READINGS_Hz)
            at_s = k / READINGS_Hz - 0.1
            told = {"angle_deg": SPEED_deg_s * at_s, "speed_deg_s": SPEED_deg_s}
            yield Message(timestamp_ns=BEGAN_ns + round(at_s * 1e9), metadata=told)
        yield Message(kind=Kind.END)


def sample() -> np.ndarray:
    """Return a slice of the sample: (96, 96), y and x, what each pixel absorbs."""
    y, x = np.indices((COLUMNS, COLUMNS)) - (COLUMNS - 1) / 2
    return sum(np.where(np.hypot(y - v, x - u) <= radius, more, 0.0) for v, u, radius, more in DISCS)
