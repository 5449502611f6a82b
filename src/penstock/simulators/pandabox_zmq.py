"""A PandABox behind a Tango device, neither of which exists: where the sample was at each trigger of the scan."""

import numpy as np

from penstock.protocols.pandabox_zmq import PandaboxZmqDecoder, encode_end, encode_points, encode_start
from penstock.simulators.simulator import Packets, Simulator

__all__ = ["PandaboxZmqSimulator"]

ARMED = "2026-11-20T12:00:00.000Z"
EXPOSED_ms = 19.0
TICK_ms = 8e-6
JITTER_TICKS = 250

_DOMAIN = 10


class PandaboxZmqSimulator(Simulator):
    """PandABox over ZeroMQ: the number of each trigger, from 1, with its exposure, y and x, a packet a point.

    It is armed at noon of 20 November 2026, because bytes that depend on the clock would differ from run to run.
    """

    decoder = PandaboxZmqDecoder

    def start(self) -> Packets:
        """Return the start of the series."""
        return [encode_start(arm_time=ARMED)]

    def point(self, number: int) -> Packets:
        """Return a packet of one point; y and x in µm, the time of exposure in ms."""
        y, x = map(float, self.scan.position(number))
        columns: dict[str, list[float]] = {
            "triggernumber": [number + 1],
            "inttime": [self.exposed_ms(number)],
            "INENC1.VAL.Mean": [y],
            "INENC2.VAL.Mean": [x],
        }
        return [encode_points(number, columns, message_id=number + 2)]

    def end(self, points: int) -> Packets:
        """Return the end of the series."""
        return [encode_end(message_id=points + 2)]

    def exposed_ms(self, number: int) -> float:
        """Return for how long the detectors counted at a point: a whole number of ticks of 8 ns."""
        short = int(np.random.default_rng((self.scan.seed, number, _DOMAIN)).integers(JITTER_TICKS))
        return (round(EXPOSED_ms / TICK_ms) - short) * TICK_ms
