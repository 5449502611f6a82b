"""A correction whose dark, mask and geometry are parameters: arrays and a file."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from pydantic import FilePath

import penstock
from penstock import Section, Unit

Dark = Annotated[NDArray[np.float64] | None, Ge(0), Unit("counts"), Section("Correction"), "what is there without beam"]
Mask = Annotated[NDArray[np.bool_] | None, Section("Correction")]


class Corrected:
    """Say which values it has, as numbers that travel."""

    def __init__(self, *, dark: Dark = None, mask: Mask = None, geometry: FilePath | None = None) -> None:
        self.dark, self.mask, self.geometry = dark, mask, geometry

    def seen(self) -> list[Any]:
        dark = -1.0 if self.dark is None else float(self.dark.sum())
        mask = -1 if self.mask is None else int(self.mask.sum())
        return [dark, mask, "" if self.geometry is None else Path(self.geometry).read_text()]


class Worker(Corrected):
    def process(self, event: penstock.Event) -> dict[str, Any]:
        return {"seen": self.seen()}


class Step(Corrected):
    def __call__(self, item: Any) -> dict[str, Any]:
        return {"seen": self.seen()}
