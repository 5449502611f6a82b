"""Process variables of EPICS that do not exist: motors, an ion chamber, a shutter and a spectrum."""

from typing import ClassVar

import numpy as np

from penstock.core.timestamp import NS_PER_S, Timestamp
from penstock.simulators.served import Served, ServedSimulator
from penstock.simulators.simulator import Packets
from penstock.simulators.xrf_scan import BINS

__all__ = ["BEAM", "PvSimulator"]

BEAM = 50_000.0
"""Counts of the ion chamber at a point, on average."""
PERIOD_s = 0.01

_STARTED_NS = Timestamp.from_iso("2026-11-20T12:00:00Z").ns
_SHUTTER = ("closed", "open")
_DOMAIN = 13


class PvSimulator(ServedSimulator):
    """EPICS: the process variables ``SIM:y``, ``SIM:x``, ``SIM:I0``, ``SIM:shutter`` and ``SIM:spectrum``.

    The motors are in µm, the ion chamber and the spectrum, (1024,) uint32, in counts. The shutter is open during a
    scan. Values are dated from noon of 20 November 2026, one point each 10 ms.
    """

    idle: ClassVar[Packets] = [
        Served(pv="SIM:y", value=0.0, unit="um").packet(),
        Served(pv="SIM:x", value=0.0, unit="um").packet(),
        Served(pv="SIM:I0", value=0, unit="counts").packet(),
        Served(pv="SIM:shutter", value=0, kind="enum", choices=_SHUTTER).packet(),
        Served(pv="SIM:spectrum", kind="array", dtype="<u4", shape=(BINS,), unit="counts").packet(np.zeros(BINS)),
    ]
    spoilable = 0  # a number cannot be seen to be wrong

    def start(self) -> Packets:
        """Open the shutter."""
        return [self._shutter(1, _STARTED_NS)]

    def point(self, number: int) -> Packets:
        """Return what is measured at a point: a packet each of the spectrum, the ion chamber and the motors."""
        time_ns, n = _STARTED_NS + round(number * PERIOD_s * NS_PER_S), number + 1
        y, x = map(float, self.scan.position(number))
        beam = int(np.random.default_rng((self.scan.seed, number, _DOMAIN)).poisson(BEAM))
        spectrum = Served(
            pv="SIM:spectrum", kind="array", dtype="<u4", shape=(BINS,), unit="counts", number=n, time_ns=time_ns
        )  # fmt: skip
        return [
            Served(pv="SIM:y", value=y, unit="um", number=n, time_ns=time_ns).packet(),
            Served(pv="SIM:x", value=x, unit="um", number=n, time_ns=time_ns).packet(),
            Served(pv="SIM:I0", value=beam, unit="counts", number=n, time_ns=time_ns).packet(),
            spectrum.packet(self.scan.spectrum(number)),
        ]

    def end(self, points: int) -> Packets:
        """Close the shutter."""
        return [self._shutter(0, _STARTED_NS + round(points * PERIOD_s * NS_PER_S))]

    @staticmethod
    def _shutter(index: int, time_ns: int) -> list[bytes]:
        return Served(pv="SIM:shutter", value=index, kind="enum", choices=_SHUTTER, time_ns=time_ns).packet()
