"""An electrometer that does not exist: the beam before and behind the sample at each point of the scan."""

import numpy as np

from penstock.core.timestamp import NS_PER_S, Timestamp
from penstock.protocols.albaem import AlbaemDecoder, encode_end, encode_reading, encode_start
from penstock.simulators.simulator import Packets, Simulator

__all__ = ["ABSORBED", "AlbaemSimulator", "PERIOD_s"]

PERIOD_s = 0.02
BEAM_A = 2e-9
"""Of the ion chamber before the sample, on average."""
ABSORBED = 600.0
"""Photons of fluorescence of a sample that lets 1/e of the beam through."""
NOISE_A = 2e-13
"""Of every channel, σ."""
DARK_A = (0.0, 0.0, -3e-12, 5e-12)
"""Of each channel without beam; the last two see none."""

_STARTED_NS = Timestamp.from_iso("2026-11-20T12:00:00Z").ns
_DOMAIN = 9


class AlbaemSimulator(Simulator):
    """AlbaEM: currents of four channels, in A.

    Channel 1 is the beam before the sample, which flickers by 1 %, channel 2 what the sample lets through; 3 and 4 are
    dark. Readings begin at noon of 20 November 2026, because bytes that depend on the clock would differ from run to
    run.
    """

    decoder = AlbaemDecoder

    def start(self) -> Packets:
        """Return the start of the series."""
        return [encode_start()]

    def point(self, number: int) -> Packets:
        """Return a reading."""
        since_s = number * PERIOD_s
        acquired_ns = _STARTED_NS + round(since_s * NS_PER_S)
        return [encode_reading(number, self.currents(number), acquired_ns=acquired_ns, timestamp_s=since_s)]

    def end(self, points: int) -> Packets:
        """Return the end of the series."""
        return [encode_end(message_id=points + 2)]

    def currents(self, number: int) -> list[float]:
        """Return what the channels say at a point: 4 numbers, in A."""
        dice = np.random.default_rng((self.scan.seed, number, _DOMAIN))
        beam = BEAM_A * (1 + 0.01 * dice.standard_normal())
        through = beam * float(np.exp(-sum(self.scan.amounts(number).values()) / ABSORBED))
        seen = np.array([beam, through, 0, 0]) + DARK_A + NOISE_A * dice.standard_normal(4)
        found: list[float] = seen.tolist()
        return found
