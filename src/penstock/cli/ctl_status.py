"""The states of a pipeline as a small table of text."""

from collections.abc import Mapping
from typing import Any

__all__ = ["status_text"]


def status_text(body: Mapping[str, Any]) -> str:
    """Return the states that a reply to ``status`` holds: a line for each thing, its workers below it.

    >>> demo = {"name": "demo", "kind": "pipeline", "state": "processing", "of": "", "why": "", "since_s": 61.0}
    >>> counts = {"received": 2, "busy": 0}
    >>> print(status_text({"run": "r1", "states": [demo], "allowed": ["stop"], "commands": counts}))
    demo      pipeline  processing  1 min
    run r1; commands: 2 received
    allowed now: stop
    """
    rows = [_row(each) for each in body["states"]]
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    lines = [_line(row, widths) for row in rows]
    counts = ", ".join(f"{count:,} {name}" for name, count in body["commands"].items() if count)
    run = f"run {body['run']}; " if body["run"] else ""
    return "\n".join([*lines, f"{run}commands: {counts or 'none'}", f"allowed now: {', '.join(body['allowed'])}"])


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
