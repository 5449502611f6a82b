"""A PandABox that does not exist: where the sample was at each trigger of the scan, and when."""

from typing import ClassVar

import numpy as np

from penstock.core.decoder import Decoder
from penstock.protocols.pandabox import (
    Field,
    PandaboxDecoder,
    PandaboxFramedDecoder,
    PandaboxUnframedDecoder,
    encode_end,
    encode_frame,
    encode_row,
    encode_start,
)
from penstock.simulators.simulator import Packets, Simulator

__all__ = [
    "FIELDS",
    "PERIOD_s",
    "PandaboxFramedSimulator",
    "PandaboxSimulator",
    "PandaboxUnframedSimulator",
    "TICK_s",
]

FIELDS = (
    Field(name="INENC1.VAL", type="double", capture="Mean", units="um"),
    Field(name="INENC2.VAL", type="double", capture="Mean", units="um"),
    Field(name="PCAP.TS_TRIG", type="double", capture="Value", scale=8e-9, units="s"),
)
"""y, x and the time of the trigger after that of arming."""
PERIOD_s = 0.02
TICK_s = 8e-9
"""Of the box's clock, 125 MHz."""
JITTER_TICKS = 250
"""By how much at most a trigger comes after its time: 2 µs."""
ARMED = "2026-11-20T12:00:00.000Z"

_DOMAIN = 8


class PandaboxSimulator(Simulator):
    """PandABox: y, x and the time of each trigger, in ASCII.

    A client says a newline, is told ``OK``, and then gets each arm, which is one scan. Whoever comes in the middle of
    an arm is given its header again and the rows from there on. The end names the rows of the whole arm, whether they
    arrived or not. Arms begin at noon of 20 November 2026, because bytes that depend on the clock would differ from
    run to run.
    """

    decoder: ClassVar[type[Decoder]] = PandaboxDecoder

    def connected(self, *, under_way: bool) -> Packets:
        """Return the answer to the greeting, and the header if rows follow."""
        return [[b"OK\n"], *(self.start() if under_way else [])]

    def start(self) -> Packets:
        """Return the header of the arm."""
        return [[encode_start(FIELDS, arm_time=ARMED)]]

    def point(self, number: int) -> Packets:
        """Return a row: y and x in µm, and the time of its trigger in s after arming."""
        y, x = self.scan.position(number).tolist()
        return [[encode_row(y, x, self.trigger_s(number))]]

    def end(self, points: int) -> Packets:
        """Return the end, with the box's reason for it."""
        return [[encode_end(points, "Ok" if points == self.scan.points else "Disarmed")]]

    def row(self, number: int) -> bytes:
        """Return the values of a point in binary, as those formats send them."""
        return np.array([*self.scan.position(number), self.trigger_s(number)], "<f8").tobytes()

    def trigger_s(self, number: int) -> float:
        """Return when a point was triggered, in s after arming: a whole number of ticks."""
        late = int(np.random.default_rng((self.scan.seed, number, _DOMAIN)).integers(JITTER_TICKS))
        return (round(number * PERIOD_s / TICK_s) + late) * TICK_s


class PandaboxFramedSimulator(PandaboxSimulator):
    """PandABox: the same rows in binary, each in a frame of its own.

    The first 8 bytes of a frame travel apart, because a fault must be noticed, and a wrong bit of a row could not be.
    """

    decoder = PandaboxFramedDecoder

    def start(self) -> Packets:
        """Return the header of the arm."""
        return [[encode_start(FIELDS, arm_time=ARMED, format="Framed")]]

    def point(self, number: int) -> Packets:
        """Return a frame of one row."""
        return [[part] for part in encode_frame(self.row(number))]


class PandaboxUnframedSimulator(PandaboxSimulator):
    """PandABox: the same rows as bare bytes, one arm a connection, which is closed behind its last row.

    Whoever wants the next arm connects again. Nothing in these bytes shows a fault: a wrong bit is a wrong value, and
    an arm that lacks rows is a shorter arm.
    """

    decoder = PandaboxUnframedDecoder
    closes = True
    spoilable = 0

    def connected(self, *, under_way: bool) -> Packets:
        """Return the header if rows follow; the greeting asks for no answer."""
        return self.start() if under_way else []

    def start(self) -> Packets:
        """Return the header of the arm."""
        return [[encode_start(FIELDS, arm_time=ARMED, format="Unframed")]]

    def point(self, number: int) -> Packets:
        """Return a row of 24 bytes."""
        return [[self.row(number)]]

    def end(self, points: int) -> Packets:  # noqa: ARG002 - the closed connection is the end
        """Return nothing."""
        return []
