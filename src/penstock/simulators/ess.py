"""A neutron instrument that does not exist: the pulses of a source of 14 Hz, seen by one bank of a detector."""

import numpy as np

from penstock.core.timestamp import Timestamp
from penstock.protocols.ess import EssDecoder, encode_pulse, encode_run_start, encode_run_stop
from penstock.simulators.powder import PowderPattern, radius
from penstock.simulators.simulator import Packets, Simulator
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["NEUTRONS", "EssSimulator", "PULSE_ns"]

PULSE_ns = 71_428_571
"""From one pulse to the next: 14 Hz."""
NEUTRONS = 500.0
"""Of a pulse, on average."""
FLIGHT_ns = (5_000_000, 60_000_000)
"""The shortest and the longest."""
BEAM_STOP_px = 10
"""Radius of what keeps the beam from the detector."""

_STARTED_NS = Timestamp.from_iso("2026-11-20T12:00:00Z").ns
_NS_PER_MS = 1_000_000
_DOMAIN = 14


class EssSimulator(Simulator):
    """ESS: a run of one pulse a point, with the neutrons that a bank of 64 × 64 pixels has seen.

    They lie on the powder rings of the sample, whatever their time of flight. It brings its own broker, with the topics
    ``sim_detector`` and ``sim_runInfo``. Pulses begin at noon of 20 November 2026, 14 a second.
    """

    decoder = EssDecoder
    socket = "kafka"
    spoilable = 4  # where the table begins, without which nothing can be read

    def __init__(self, scan: XrfScan) -> None:
        super().__init__(scan)
        self._pattern = PowderPattern(scan)
        self._job = f"sim-{scan.seed}"

    def start(self) -> Packets:
        """Return the news that the run starts."""
        return [[encode_run_start(self._job, _STARTED_NS // _NS_PER_MS, run_name=self._job, instrument_name="SIM")]]

    def point(self, number: int) -> Packets:
        """Return a pulse."""
        dice = np.random.default_rng((self.scan.seed, number, _DOMAIN))
        expected = np.where(radius() < BEAM_STOP_px, 0, self._pattern.expected(number)).ravel()
        pixels = dice.choice(len(expected), int(dice.poisson(NEUTRONS)), p=expected / expected.sum()) + 1
        flights = dice.integers(*FLIGHT_ns, len(pixels))
        return [[encode_pulse("sim_bank", number, _STARTED_NS + number * PULSE_ns, np.sort(flights), pixels)]]

    def end(self, points: int) -> Packets:
        """Return the news that the run has stopped."""
        stopped_ns = _STARTED_NS + points * PULSE_ns
        return [[encode_run_stop(self._job, -(-stopped_ns // _NS_PER_MS), run_name=self._job)]]
