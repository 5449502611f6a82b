"""The night so far, out of the results of the first processor."""

from typing import Annotated, Any

from annotated_types import Gt

import penstock


class Summary:
    """Count and add up results; say what there is at every alert, and every so many results."""

    def __init__(self, every: Annotated[int, Gt(0)] = 100) -> None:
        self.every = every
        self.results = 0
        self.noise = 0.0
        self.kinds = {"shower": 0, "pedestal": 0, "alert": 0}
        self.rates_Hz: list[float] = []
        self.dead: set[int] = set()

    def __call__(self, result: dict[str, Any]) -> dict[str, Any] | None:
        self.results += 1
        if result["of"] == "window":
            self.rates_Hz.append(result["rate_Hz"])
        else:
            self.kinds[result["kind"]] += 1
            self.noise += result["noise"]
            self.dead.update(result["dead"])
        is_alert = result.get("kind") == "alert"
        if is_alert:
            penstock.notice("alert", packet=result["packet"], light=result["light"])
        if not is_alert and self.results % self.every:
            return None
        packets = sum(self.kinds.values())
        return {
            "because": f"alert of packet {result['packet']}" if is_alert else f"{self.results} results",
            "packets": packets,
            **self.kinds,
            "noise": round(self.noise / packets, 2) if packets else None,
            "windows": len(self.rates_Hz),
            "rate_Hz": round(self.rates_Hz[-1], 1) if self.rates_Hz else None,
            "fastest_Hz": round(max(self.rates_Hz), 1) if self.rates_Hz else None,
            "dead": sorted(self.dead),
        }
