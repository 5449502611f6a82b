"""An area detector in EPICS that does not exist: its images as an NTNDArray."""

from typing import ClassVar

import numpy as np

from penstock.core.timestamp import NS_PER_S, Timestamp
from penstock.simulators.powder import SHAPE
from penstock.simulators.served import Served, ServedSimulator
from penstock.simulators.simulator import Packets
from penstock.simulators.stins import StinsSimulator
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["PV", "PvaSimulator"]

PV = "SIM:image"
PERIOD_s = 0.01

_STARTED_NS = Timestamp.from_iso("2026-11-20T12:00:00Z").ns


class PvaSimulator(ServedSimulator):
    """EPICS: images (NTNDArray) of the process variable ``SIM:image``, those of ``stins``.

    An image is (64, 64) counts, uint16; ``uniqueId`` from 0, one each 10 ms from noon of 20 November 2026.
    """

    idle: ClassVar[Packets] = [Served(pv=PV, kind="image", dtype="<u2", shape=(0, 0)).packet(np.zeros((0, 0)))]
    spoilable = 20  # within its JSON, whatever the number is

    def __init__(self, scan: XrfScan) -> None:
        super().__init__(scan)
        self._camera = StinsSimulator(scan)

    def start(self) -> Packets:
        """Return nothing: no IOC says it."""
        return []

    def point(self, number: int) -> Packets:
        """Return an image."""
        time_ns = _STARTED_NS + round(number * PERIOD_s * NS_PER_S)
        said = Served(pv=PV, kind="image", dtype="<u2", shape=SHAPE, unit="counts", number=number, time_ns=time_ns)
        return [said.packet(self._camera.image(number))]
