"""What a running pipeline says of itself, as values of process variables by the ends of their names.

It asks nobody: it is given what the client gives, mappings as JSON has them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from penstock.core.feedback import Feedback
from penstock.elements.pv_name import pv_name
from penstock.elements.pva_values import INVALID, MAJOR, MINOR, Said, said_of

__all__ = ["COMMANDS", "UNREACHED", "feedback_records", "status_records"]

Records = Iterator[tuple[str, Said]]

UNREACHED: Final = "unreachable"
"""What ``STATE`` says while nobody answers."""
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "BEGIN": ("arm", "Write a name, or JSON with run, trigger_maps, values: begins another run."),
    "FINISH": ("finish", "Write why: ends the run as one that is complete."),
    "DRAIN": ("drain", "Write why: reads nothing more, brings out what has come, and ends the run."),
    "ABORT": ("abort", "Write why: gives up what is under way and ends the run."),
    "STOP": ("stop", "Write anything: holds sources and stages."),
    "START": ("start", "Write anything: lets what was held go on."),
}
"""End of the name → the command, and what it does."""
_SEVERITIES: Final = {"degraded": MINOR, "fault": MAJOR}
_LEVELS: Final = {"info": 0, "warning": MINOR, "error": MAJOR}


def status_records(status: Mapping[str, Any]) -> Records:
    """Yield what the report of a run says.

    Parameters
    ----------
    status
        As ``connection.status`` gives it.
    """
    states = status["states"]
    whole = states[0] if states else {"state": "initialised", "why": ""}
    yield "STATE", _of_state(whole, "Of the pipeline.")
    yield "WHY", said_of(str(whole["why"]), doc="Why it is in this state.")
    yield "PIPELINE", said_of(str(status["pipeline"]), doc="Its name.")
    yield "RUN", said_of(str(status["run"]), doc="The name of the run.")
    yield "OUTCOME", said_of(str(status["outcome"]), doc="Of the run.")
    yield "DURATION", said_of(float(status["duration_s"]), unit="s", doc="Since the run began.")
    yield from _of_progress(status)
    yield from _of_edges(status["edges"])
    yield from _of_stages(states[1:], status["processes"])
    for alarm in status["alarms"]:
        severity = _LEVELS[alarm["level"]] if alarm["state"] in ("raised", "acknowledged") else 0
        text = str(alarm["text"])
        yield (
            pv_name("ALARM", alarm["name"]),
            said_of(str(alarm["state"]), severity=severity, alarm=text if severity else "", doc=text),
        )


def feedback_records(newest: Feedback | None) -> Records:
    """Yield the newest that user code says to the scan; without any, texts are empty and the number is 0."""
    time_ns = 0 if newest is None else newest.time_ns
    doc = "stop, next, or a word of the user's own."
    yield "FEEDBACK:ACTION", said_of("" if newest is None else newest.action, time_ns=time_ns, doc=doc)
    yield "FEEDBACK:REASON", said_of("" if newest is None else newest.reason, time_ns=time_ns)
    yield "FEEDBACK:RUN", said_of("" if newest is None else newest.run, time_ns=time_ns)
    yield "FEEDBACK:WHO", said_of("" if newest is None else newest.who, time_ns=time_ns, doc="The stage.")
    event = None if newest is None else newest.event
    yield "FEEDBACK:EVENT", said_of(-1 if event is None else event, time_ns=time_ns, doc="-1: of no event.")
    yield "FEEDBACK:NUMBER", said_of(0 if newest is None else newest.number, time_ns=time_ns, doc="1, 2, … in a run.")


def _of_progress(status: Mapping[str, Any]) -> Records:
    progress = status["progress"] or {"completed": 0, "total": None}
    completed, total = progress["completed"], progress["total"]
    yield "PROGRESS:COMPLETED", said_of(completed, doc="Events of which nothing is under way any more.")
    unknown = {} if total is not None else {"severity": INVALID, "alarm": "no trigger map says how many there will be"}
    yield "PROGRESS:TOTAL", said_of(total or 0, doc="Events that are planned.", **unknown)
    part = 100 * completed / total if total else 0.0
    yield "PROGRESS", said_of(part, unit="%", low=0, high=100, **unknown)
    for name, join in status["joins"].items():
        yield pv_name("JOIN", name, "FORMED"), said_of(int(join["formed"]), doc="Events of this join.")


def _of_edges(edges: Sequence[Mapping[str, Any]]) -> Records:
    adds_up = all(edge["arrived"] == sum(edge["accounts"].values()) + edge["in_flight"] for edge in edges)
    beside = {} if adds_up else {"severity": MAJOR, "alarm": "the books do not add up"}
    yield "LEDGER:ADDS_UP", said_of(adds_up, **beside)
    for edge in edges:
        where = pv_name("EDGE", edge["producer"], edge["consumer"])
        counts = {"ARRIVED": edge["arrived"], "IN_FLIGHT": edge["in_flight"], "LOST": edge["loss"]}
        counts |= {name.upper(): count for name, count in (*edge["accounts"].items(), *edge["counters"].items())}
        for name, count in counts.items():
            yield pv_name(where, name), said_of(int(count))
        rate = edge["recent_per_s"]
        yield pv_name(where, "RATE"), said_of(float("nan" if rate is None else rate), unit="1/s")


def _of_stages(states: Sequence[Mapping[str, Any]], processes: Sequence[Mapping[str, Any]]) -> Records:
    shares = {each["name"]: each["cpu_share"] for each in processes}
    for each in states:
        kind = pv_name(str(each["kind"]).upper(), each["name"])
        yield pv_name(kind, "STATE"), _of_state(each, str(each["why"]))
        if each["kind"] == "stage":
            workers = [other["name"] for other in states if other["of"] == each["name"] and other["state"] != "stopped"]
            loads = [share for name in workers if (share := shares.get(name)) is not None]
            yield pv_name(kind, "LOAD"), _load(sum(loads) / len(loads) if loads else None)
            yield (
                pv_name(kind, "WORKERS"),
                said_of(len(workers), low=1, high=1024, doc="Write how many, of a map stage."),
            )
        elif each["name"] in shares:
            yield pv_name(kind, "LOAD"), _load(shares[each["name"]])


def _load(share: float | None) -> Said:
    value = float("nan") if share is None else 100.0 * share
    return said_of(value, unit="%", doc="Of one processor, lately; of a stage the mean of its workers.")


def _of_state(state: Mapping[str, Any], doc: str) -> Said:
    name = str(state["state"])
    severity = _SEVERITIES.get(name, 0)
    return said_of(name, severity=severity, alarm=str(state["why"]) if severity else "", doc=doc)
