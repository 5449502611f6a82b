"""The states of a pipeline, its alarms, and what its code says back to the scan, as small tables of text."""

from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.core.feedback import Feedback
from penstock.monitor.progress_text import feedback_line, progress_line
from penstock.monitor.report import ProgressReport

__all__ = ["alarms_text", "feedback_text", "status_text"]


def status_text(body: Mapping[str, Any]) -> str:
    """Return what a reply to ``status`` holds: a line for each thing, its workers below it; how far the run is, too.

    >>> demo = {"name": "demo", "kind": "pipeline", "state": "processing", "of": "", "why": "", "since_s": 61.0}
    >>> counts = {"received": 2, "busy": 0}
    >>> progress = {"formed": 7, "completed": 5, "total": 20, "is_over": False, "lost": 0}
    >>> body = {"run": "r1", "states": [demo], "progress": progress, "feedback": None, "allowed": ["stop"]}
    >>> print(status_text(body | {"commands": counts}))
    demo      pipeline  processing  1 min
    progress: 5 of 20 through (25 %), 2 under way
    run r1; commands: 2 received
    allowed now: stop
    """
    rows = [_row(each) for each in body["states"]]
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(3)]
    lines = [_line(row, widths) for row in rows]
    counts = ", ".join(f"{count:,} {name}" for name, count in body["commands"].items() if count)
    run = f"run {body['run']}; " if body["run"] else ""
    if (progress := body["progress"]) is not None:
        lines.append(f"progress: {progress_line(msgspec.convert(progress, ProgressReport))}")
    if (said := body["feedback"]) is not None:
        lines.append(f"feedback: {feedback_line(msgspec.convert(said, Feedback))}")
    return "\n".join([*lines, f"{run}commands: {counts or 'none'}", f"allowed now: {', '.join(body['allowed'])}"])


def alarms_text(body: Mapping[str, Any]) -> str:
    """Return the alarms that a reply to ``alarms`` holds: a line for each, and what could not be told of them.

    >>> hot = {"name": "hot", "level": "error", "state": "raised", "raised": "2026-05-01T12:00:00.5Z", "text": "80 K"}
    >>> hot |= {"acknowledged_by": "", "muted_until": None, "muted_by": "", "times": 2, "not_known": []}
    >>> print(alarms_text({"alarms": [hot], "history": [], "outputs": []}))
    hot       error    raised  since 2026-05-01T12:00:00Z, 2 times: 80 K
    """
    alarms = body["alarms"]
    width = max([8, *(len(each["name"]) for each in alarms)])
    states = max([6, *(len(each["state"]) for each in alarms)])
    lines = [
        f"{each['name']:<{width}}  {each['level']:<7}  {each['state']:<{states}}  {_matter(each)}".rstrip()
        for each in alarms
    ]
    lines += [f"{each['output']}: {each['trouble']}" for each in body["outputs"] if each["trouble"]]
    return "\n".join(lines or ["no alarms"])


def _matter(alarm: Mapping[str, Any]) -> str:
    """Say what is the matter with an alarm, who knows of it, and until when nobody is told."""
    parts = []
    if alarm["state"] != "normal":
        times = f", {alarm['times']} times" if alarm["times"] > 1 else ""
        by = f", acknowledged by {alarm['acknowledged_by']}" if alarm["acknowledged_by"] else ""
        parts.append(f"since {_whole(alarm['raised'])}{times}{by}: {alarm['text']}")
    if alarm["muted_until"]:
        by = f" by {alarm['muted_by']}" if alarm["muted_by"] else ""
        parts.append(f"muted{by} until {_whole(alarm['muted_until'])}")
    if alarm["not_known"]:
        parts.append(f"not known: {', '.join(alarm['not_known'])}")
    return "; ".join(parts)


def _whole(time: str) -> str:
    """Return an ISO time without what is below a second."""
    return f"{time.rstrip('Z').partition('.')[0]}Z"


def _row(state: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    indent = "  " if state["of"] else ""
    return indent + state["name"], state["kind"], state["state"], _time(state["since_s"]), state["why"]


def _line(row: tuple[str, str, str, str, str], widths: list[int]) -> str:
    name, kind, state, since, why = row
    return f"{name:<{max(8, widths[0])}}  {kind:<{widths[1]}}  {state:<{widths[2]}}  {since}  {why}".rstrip()


def _time(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def feedback_text(body: list[dict[str, Any]]) -> str:
    """Return what user code has said back to the scan, a line each: number, time, stage, event, action, reason."""
    return "\n".join(map(feedback_line, msgspec.convert(body, list[Feedback])))
