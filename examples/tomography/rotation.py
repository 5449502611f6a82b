"""A rotation stage and a camera that do not exist: a slow encoder, and the shadows of a sample that turns.

Both are dated by their own clocks, which are set alike. The stage wobbles: its speed is not quite what it was told.
"""

import numpy as np

from penstock.protocols.dectris import DectrisDecoder, encode_end, encode_image, encode_start
from penstock.protocols.pandabox import Field, PandaboxDecoder, encode_row
from penstock.protocols.pandabox import encode_end as encode_last_row
from penstock.protocols.pandabox import encode_start as encode_fields
from penstock.simulators import Packets, Simulator

ARMED = "2026-11-20T12:00:00.000Z"
FRAME_MS = 5
READING_MS = 50
SPEED_deg_per_s = 100.0
SHAPE = (4, 96)
"""Of an image: rows along the axis of rotation, and columns across it."""
EMPTY_COUNTS = 40_000.0
GRAINS = ((-14.0, 6.0, 5.0, 0.8), (12.0, -10.0, 3.5, 1.2), (4.0, 18.0, 2.5, 0.9), (0.0, 0.0, 25.0, 0.35))
"""Of the sample: x and y in pixels from the axis, radius σ in pixels, and what its middle absorbs."""
FIELDS = (
    Field(name="INENC1.VAL", type="double", capture="Value", units="deg"),
    Field(name="PCAP.TS_TRIG", type="double", capture="Value", units="s"),
)


def angle_deg(time_s: float) -> float:
    """Return where the stage is."""
    return SPEED_deg_per_s * time_s + 0.4 * float(np.sin(5 * time_s))


def absorbed(angle: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return how much of the beam the sample takes in each column, as an exponent: (96,)."""
    column = np.arange(SHAPE[1]) - (SHAPE[1] - 1) / 2
    turned = np.deg2rad(angle)
    found = np.zeros(SHAPE[1])
    for x, y, sigma, most in GRAINS:
        middle = x * np.cos(turned) + y * np.sin(turned)
        found += most * np.exp(-(((column - middle) / sigma) ** 2) / 2)
    return found


class Camera(Simulator):
    """The camera: a shadow each 5 ms, by DECTRIS stream v2."""

    decoder = DectrisDecoder
    spoilable = 12

    def start(self) -> Packets:
        """Return the start of the series."""
        return [encode_start(1, series_unique_id="turn", channels=["shadow"], shape=SHAPE, dtype="uint16")]

    def point(self, number: int) -> Packets:
        """Return an image."""
        expected = EMPTY_COUNTS * np.exp(-absorbed(angle_deg(number * FRAME_MS / 1000)))
        image = np.random.default_rng((self.scan.seed, number)).poisson(np.tile(expected, (SHAPE[0], 1)))
        begin = number * FRAME_MS
        return [
            encode_image(
                1, number, {"shadow": image.astype(np.uint16)}, series_unique_id="turn", series_date=ARMED,
                start_time=(begin, 1000), stop_time=(begin + FRAME_MS, 1000), real_time=(FRAME_MS, 1000),
            )
        ]  # fmt: skip

    def end(self, points: int) -> Packets:
        """Return the end of the series."""
        return [encode_end(1, series_unique_id="turn")]


class Encoder(Simulator):
    """The stage's encoder: an angle each 50 ms, by PandABox."""

    decoder = PandaboxDecoder

    def connected(self, *, under_way: bool) -> Packets:
        """Return the answer to the greeting, and the header if rows follow."""
        return [[b"OK\n"], *(self.start() if under_way else [])]

    def start(self) -> Packets:
        """Return the header of the arm."""
        return [[encode_fields(FIELDS, arm_time=ARMED)]]

    def point(self, number: int) -> Packets:
        """Return a reading."""
        time_s = number * READING_MS / 1000
        return [[encode_row(angle_deg(time_s), time_s)]]

    def end(self, points: int) -> Packets:
        """Return the end of the arm."""
        return [[encode_last_row(points, "Ok")]]
