"""How a run is in one word, for orchestrators: ``ok``, ``degraded`` or ``fault``."""

from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["Health", "health_of", "is_ready"]

Health = Literal["ok", "degraded", "fault"]


def health_of(report: Mapping[str, Any]) -> Health:
    """Return how a run is, or how it ended.

    Parameters
    ----------
    report
        As `penstock.monitor.report.RunReport` is in JSON.
    """
    if report["outcome"] == "failed":
        return "fault"
    if report["outcome"] != "running":
        return "ok" if report["outcome"] in ("finished", "aborted") else "degraded"
    match pipeline_state(report):
        case "fault":
            return "fault"
        case "degraded":
            return "degraded"
        case _:
            return "ok"


def is_ready(report: Mapping[str, Any]) -> bool:
    """Return whether what is sent to a pipeline now will be worked on."""
    return report["outcome"] == "running" and pipeline_state(report) not in ("initialised", "stopped", "fault")


def pipeline_state(report: Mapping[str, Any]) -> str:
    """Return the state of the pipeline itself; empty where the engine says none."""
    states = report["states"]
    return str(states[0]["state"]) if states and states[0]["kind"] == "pipeline" else ""
