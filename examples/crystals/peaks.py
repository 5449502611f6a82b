"""The worker: a program that finds peaks, with what may be changed while it runs."""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt
from pydantic import FilePath

from penstock import Section, Unit
from penstock.elements import ExternalProgram

HERE = Section("Peaks")


class FindPeaks(ExternalProgram):
    """Find Bragg peaks by a program; these are the parameters that it is told."""

    def __init__(
        self,
        command: list[str],
        timeout_s: float = 30.0,
        *,
        geometry: Annotated[FilePath, HERE, "where the detector stands, as CrystFEL writes it"] = Path("eiger.geom"),
        snr: Annotated[float, HERE, Gt(0), Unit("σ"), "of a peak above its surroundings"] = 6.0,
        least_peaks: Annotated[int, HERE, Ge(1), "of a hit"] = 10,
    ) -> None:
        super().__init__(command, timeout_s)
        self.geometry, self.snr, self.least_peaks = geometry, snr, least_peaks
