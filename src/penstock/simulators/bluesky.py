"""A RunEngine that does not exist: a mesh of two motors over the sample, and what detectors count at each point."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.protocols.bluesky import BlueskyDecoder, encode_document
from penstock.simulators.simulator import Packets, Simulator

__all__ = ["BlueskySimulator"]

PERIOD_s = 0.02
BEGIN_s = 1_700_000_000.0
"""Time of every start: there is no clock."""
I0_COUNTS = 100_000
UNITS = {"y": "um", "x": "um", "I0": "counts", "fluorescence": "counts"}

_DOMAIN = 7


class BlueskySimulator(Simulator):
    """Bluesky: a start, a descriptor, an event for each point and a stop, in JSON.

    ``seq_num`` goes from 1. ``y`` and ``x`` are where the motors are, in µm; ``I0`` is what came, and ``fluorescence``
    what ``scan.spectrum(point)`` adds up to, in counts.
    """

    decoder = BlueskyDecoder

    def start(self) -> Packets:
        """Return the start of the run, and the descriptor of its events."""
        begin = {"uid": self._run, "time": BEGIN_s, "scan_id": self.scan.seed, "plan_name": "grid_scan"}
        about = {"uid": self._descriptor, "run_start": self._run, "time": BEGIN_s, "name": "primary"}
        keys = {name: {"source": f"SIM:{name}", "dtype": "number", "shape": [], "units": UNITS[name]} for name in UNITS}
        return [
            _sent("start", {**begin, "motors": ["y", "x"], "num_points": self.scan.points}),
            _sent("descriptor", {**about, "data_keys": keys}),
        ]

    def point(self, number: int) -> Packets:
        """Return an event."""
        y, x = self.scan.position(number).tolist()
        dice = np.random.default_rng((self.scan.seed, number, _DOMAIN))
        fluorescence = int(self.scan.spectrum(number).sum())
        data = {"y": y, "x": x, "I0": int(dice.poisson(I0_COUNTS)), "fluorescence": fluorescence}
        time_s = BEGIN_s + (number + 1) * PERIOD_s
        event = {"uid": f"{self._run}/{number}", "descriptor": self._descriptor, "seq_num": number + 1, "time": time_s}
        return [_sent("event", {**event, "data": data, "timestamps": dict.fromkeys(data, time_s), "filled": {}})]

    def end(self, points: int) -> Packets:
        """Return the stop of the run."""
        stop = {"uid": f"{self._run}/stop", "run_start": self._run, "time": BEGIN_s + (points + 2) * PERIOD_s}
        return [_sent("stop", {**stop, "exit_status": "success", "reason": "", "num_events": {"primary": points}})]

    @property
    def _run(self) -> str:
        return f"run-{self.scan.seed}"

    @property
    def _descriptor(self) -> str:
        return f"run-{self.scan.seed}/primary"


def _sent(name: str, document: Mapping[str, Any]) -> list[bytes]:
    return encode_document(name, document, lambda each: json.dumps(each).encode())
