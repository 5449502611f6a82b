"""An oscilloscope that does not exist: the pulses of two diodes, before and behind the sample."""

import numpy as np
from numpy.typing import NDArray

from penstock.core.timestamp import Timestamp
from penstock.protocols.lecroy import LecroyDecoder, encode_acquisition, encode_end, encode_sequence, encode_start
from penstock.simulators.simulator import Packets, Simulator

__all__ = ["CHANNELS", "SAMPLES", "INTERVAL_s", "LecroySimulator"]

CHANNELS = (2, 4)
SAMPLES = 500
INTERVAL_s = 1e-10
OFFSET_s = -1e-8
"""Of the first sample: 10 ns before the trigger."""
RISE_s, FALL_s = 4e-10, 6e-9
PULSE_V = 0.2
"""Of the diode before the sample."""
ABSORBED = 600.0
"""Photons of fluorescence of a sample that lets 1/e of the beam through."""
NOISE_V = 0.002
PERIOD_s = 0.02

_STARTED_s = Timestamp.from_iso("2026-11-20T12:00:00Z").ns / 1e9
_DOMAIN = 11


class LecroySimulator(Simulator):
    """LeCroy: one pulse a point on channels 2 and 4, in V, in continuous mode.

    Channel 2 is the diode before the sample, channel 4 the one behind it; a trace is (1, 500) float64, a sample each
    0.1 ns. The scan begins at noon of 20 November 2026, because bytes that depend on the clock would differ from run to
    run.
    """

    decoder = LecroyDecoder

    def start(self) -> Packets:
        """Return the prepare message and the one of the sequence."""
        return [encode_start(), encode_sequence(CHANNELS)]

    def point(self, number: int) -> Packets:
        """Return an acquisition: the traces of both channels, and its end."""
        return encode_acquisition(
            number * len(CHANNELS),
            dict(zip(CHANNELS, self.traces(number), strict=True)),
            [_STARTED_s + number * PERIOD_s],
            offset_s=OFFSET_s,
            interval_s=INTERVAL_s,
        )

    def end(self, points: int) -> Packets:
        """Return the stop."""
        return [encode_end(points * len(CHANNELS))]

    def traces(self, number: int) -> NDArray[np.float64]:
        """Return what the channels saw at a point: (2, 1, 500), V."""
        dice = np.random.default_rng((self.scan.seed, number, _DOMAIN))
        through = float(np.exp(-sum(self.scan.amounts(number).values()) / ABSORBED))
        time_s = np.maximum(OFFSET_s + np.arange(SAMPLES) * INTERVAL_s, 0)
        pulse = PULSE_V * (1 - np.exp(-time_s / RISE_s)) * np.exp(-time_s / FALL_s)
        noise = NOISE_V * dice.standard_normal((len(CHANNELS), 1, SAMPLES))
        seen: NDArray[np.float64] = np.array([1, through])[:, np.newaxis, np.newaxis] * pulse + noise
        return seen
