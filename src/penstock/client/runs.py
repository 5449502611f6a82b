"""The runs of a pipeline that stays: those there were, and the next one."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from penstock.client.door import Door
from penstock.errors import ServiceError, StateError

__all__ = ["Runs"]


class Runs:
    """Runs through a door."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def all(self) -> list[dict[str, Any]]:
        """Return those that were served there, the newest last."""
        return list(self._door.json("GET", "runs"))

    def start(
        self,
        trigger_maps: Mapping[str, Mapping[str, Any]],
        values: Mapping[str, Any],
        *,
        run: str,
        existing: str,
        wait_s: float,
    ) -> str:
        """Start another one, and return its name; see `Connection.start`."""
        wish = {"run": run, "trigger_maps": dict(trigger_maps), "values": dict(values)}
        wish |= {} if existing == "refuse" else {"existing": existing}
        before = len(self.all())
        self._door.json("POST", "runs", wish)
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            with suppress(ServiceError, StateError):  # the web process is replaced meanwhile
                if len(self.all()) > before:
                    return str(self._door.json("GET", "run")["run"])
            time.sleep(0.05)
        raise ServiceError(f"the run has not begun within {wait_s:g} s; what its program has printed says why")
