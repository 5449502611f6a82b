"""Is the camera well? Two analyses of its packets: each by itself, and a hundred showers together."""

from typing import Annotated, Any

import numpy as np
from annotated_types import Gt

import penstock


class Pixels:
    """Find the pedestal and the noise of one packet, its light, and the pixels that are dead."""

    def __init__(
        self, *, sigmas: Annotated[float, Gt(0), "from the pedestal, of light and dead pixels"] = 10.0
    ) -> None:
        self.sigmas = sigmas
        self.dead: list[int] = []
        """What was told last; each worker has a list of its own."""

    def __call__(self, packet: dict[str, Any]) -> dict[str, Any]:
        charges = np.array(packet["charges"])
        pedestal = np.median(charges)
        noise = 1.4826 * np.median(abs(charges - pedestal))  # what light and dead pixels hardly change
        above = charges - pedestal
        dead = np.flatnonzero(above < -self.sigmas * noise).tolist()
        if dead != self.dead:
            penstock.notice("dead pixels", level="alarm" if dead else "info", camera=packet["camera"], pixels=dead)
            self.dead = dead
        return {
            "of": "packet",
            "packet": packet["packet"],
            "kind": packet["kind"],
            "trigger_ns": packet["trigger_ns"],
            "pedestal": float(pedestal),
            "noise": float(noise),
            "light": float(above[above > self.sigmas * noise].sum()),
            "dead": dead,
        }


class Rate:
    """Gather so many showers, and give their rate and the mean charge of every pixel, (pixels,), in ADC counts."""

    def __init__(self, showers: Annotated[int, Gt(1)] = 100) -> None:
        self.showers = showers
        self.window: list[dict[str, Any]] = []

    def __call__(self, packet: dict[str, Any]) -> dict[str, Any] | None:
        if packet["kind"] != "shower":
            return None
        self.window.append(packet)
        if len(self.window) < self.showers:
            return None
        window, self.window = self.window, []
        took_s = (window[-1]["trigger_ns"] - window[0]["trigger_ns"]) / 1e9
        return {
            "of": "window",
            "showers": len(window),
            "rate_Hz": (len(window) - 1) / took_s,
            "mean": np.mean([each["charges"] for each in window], axis=0),
        }
