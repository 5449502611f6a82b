"""The worker: a program that finds peaks, with what may be changed while it runs; and what reads its stream."""

from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt
from pydantic import FilePath

from penstock import Event, Section, Unit
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

    def process(self, image: Any) -> dict[str, Any]:
        """Return what the program says of an image, a message, and of which one; ids in a stream begin with 1."""
        return {**super().process(image), "id": image.key + 1, "key": image.key}


def found(event: Event) -> dict[str, Any]:
    """Return what was found in an image, as `FindPeaks` gave it to the stream ``peaks``."""
    peaks = event["peaks"]
    return {"is_hit": peaks.metadata["is_hit"], "n": peaks.metadata["n"], "peaks": peaks.array}
