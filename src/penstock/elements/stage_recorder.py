"""What keeps the results of a recorded stage: a stream as a sink, without which the run goes on.

It never ends the run: what cannot be kept is counted, and the output counts as lost.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.elements.sink import Written
from penstock.elements.sinks.stream import StreamSink
from penstock.errors import SinkError

__all__ = ["StageRecorder"]


class StageRecorder(StreamSink):
    """Send every result of a stage to ``beamtime/stage/{run}``, up to the first that cannot be stored."""

    is_recorder = True
    _lost = ""

    def write_numbered(self, numbers: NDArray[np.int64], items: Iterable[Any]) -> Written:
        """Send results; from the first that cannot be stored, nothing more is."""
        if not self._lost:
            try:
                return super().write_numbered(numbers, items)
            except SinkError as error:
                self._lost = f"the recording ends among events {numbers[0]} to {numbers[-1]}: {error}"
                with suppress(SinkError):
                    self.end(self._lost)
        return Written(dropped=len(numbers), why=self._lost)

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - a recording does not say
        """Say that this was all: whatever became of the run, the recording has everything.

        Raises
        ------
        SinkError
            If it has not.
        """
        super().close(ended_well=True)
        if self._lost:
            raise SinkError(self._lost)
