"""What a device says of a pipeline: its own attributes, out of the report and the states. No Tango here, no network."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from penstock.core.states import State
from penstock.elements.tango_form import Form, Kind
from penstock.monitor.progress import progress_of
from penstock.monitor.report import EdgeReport, ProcessReport, RunReport, StateReport

__all__ = ["FORMS", "facts_of", "facts_of_feedback", "state_of"]

MOST_NOTICES: Final = 20
RUNNING: Final = "running"
_RAISED: Final = ("raised", "acknowledged")
_STATES: Final[Mapping[str, str]] = {
    State.INITIALISED: "INIT",
    State.WAITING: "ON",
    State.PROCESSING: "RUNNING",
    State.FINISHING: "RUNNING",
    State.STOPPED: "STANDBY",
    State.DEGRADED: "ALARM",
    State.FAULT: "FAULT",
}


def _forms() -> tuple[Form, ...]:
    rows: list[tuple[str, Kind, int, str, str]] = [
        ("pipeline", Kind.TEXT, 0, "", "its name"),
        ("run", Kind.TEXT, 0, "", "the name of the run"),
        ("outcome", Kind.TEXT, 0, "", "running, finished, incomplete, failed or aborted"),
        ("phase", Kind.TEXT, 0, "", "the state of the pipeline in its own words"),
        ("reasons", Kind.TEXT, 1, "", "why the run did not finish, the gravest first"),
        ("allowed", Kind.TEXT, 1, "", "the commands that are allowed now"),
        ("duration", Kind.FLOAT, 0, "s", "of the run"),
        ("completed", Kind.INT, 0, "", "events that have gone through everything"),
        ("total", Kind.INT, 0, "", "events that the trigger maps plan; invalid where that is not known"),
        ("progress", Kind.FLOAT, 0, "%", "completed of total"),
        ("books_add_up", Kind.BOOL, 0, "", "whether every edge's books are right"),
        ("lost", Kind.INT, 0, "", "what should have got through and did not, of all edges"),
        ("streams", Kind.TEXT, 1, "", "names of the sources; the three below are in this order"),
        ("stream_state", Kind.TEXT, 1, "", "of each source"),
        ("stream_arrived", Kind.INT, 1, "", "messages of each source"),
        ("stream_rate", Kind.FLOAT, 1, "1/s", "messages of each source, over about the last second"),
        ("edges", Kind.TEXT, 1, "", "who gives to whom; the four below are in this order"),
        ("edge_arrived", Kind.INT, 1, "", "what came in"),
        ("edge_in_flight", Kind.INT, 1, "", "what came in and has not ended: the backlog"),
        ("edge_lost", Kind.INT, 1, "", "what should have got through and did not"),
        ("edge_rate", Kind.FLOAT, 1, "1/s", "what came in, over about the last second"),
        ("stages", Kind.TEXT, 1, "", "their names; the three below are in this order"),
        ("stage_state", Kind.TEXT, 1, "", "of each stage"),
        ("stage_workers", Kind.INT, 1, "", "how many workers each has; 0 of one without"),
        ("stage_load", Kind.FLOAT, 1, "", "the mean of its workers' loads; NaN where none is known"),
        ("workers", Kind.TEXT, 1, "", "their names; the four below are in this order"),
        ("worker_state", Kind.TEXT, 1, "", "of each worker"),
        ("worker_load", Kind.FLOAT, 1, "", "of one processor, over about the last second; NaN if not known"),
        ("worker_tags", Kind.TEXT, 1, "", "of each worker, with commas"),
        ("worker_last_event", Kind.INT, 1, "", "the event each works on or worked on last; -1 before the first"),
        ("notices", Kind.TEXT, 1, "", "the last ones, the newest last"),
        ("alarms", Kind.TEXT, 1, "", "those that are raised"),
        ("feedback_number", Kind.INT, 0, "", "of what user code said last to the scan; invalid if nothing"),
        ("feedback_action", Kind.TEXT, 0, "", "stop, next, or a name of its own"),
        ("feedback_reason", Kind.TEXT, 0, "", ""),
        ("feedback_event", Kind.INT, 0, "", "to which event it belongs"),
        ("feedback_who", Kind.TEXT, 0, "", "the stage"),
    ]
    return tuple(Form(name=name, kind=kind, ndim=ndim, unit=unit, doc=doc) for name, kind, ndim, unit, doc in rows)


FORMS: Final = _forms()
"""The attributes of every pipeline, beside its parameters."""


def facts_of(report: RunReport, states: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the attributes.

    Parameters
    ----------
    states
        As ``connection.states`` has them.
    """
    progress = progress_of(report)
    sources = [each for each in report.states if each.kind == "source"]
    first = [_of_source(report.edges, each.name) for each in sources]
    raised = [each for each in report.alarms if each.state in _RAISED]
    return {
        "pipeline": report.pipeline,
        "run": report.run,
        "outcome": report.outcome,
        "phase": states.get("state", ""),
        "reasons": report.reasons,
        "allowed": states.get("allowed", []),
        "duration": report.duration_s,
        "completed": progress.completed,
        "total": progress.total,
        "progress": None if progress.total is None else 100.0 * progress.completed / (progress.total or 1),
        "books_add_up": report.adds_up,
        "lost": sum(edge.loss for edge in report.edges),
        "streams": [each.name for each in sources],
        "stream_state": [each.state for each in sources],
        "stream_arrived": [max((edge.arrived for edge in edges), default=0) for edges in first],
        "stream_rate": [max((edge.recent_per_s for edge in edges), default=0.0) for edges in first],
        "edges": [f"{edge.producer} -> {edge.consumer}" for edge in report.edges],
        "edge_arrived": [edge.arrived for edge in report.edges],
        "edge_in_flight": [edge.in_flight for edge in report.edges],
        "edge_lost": [edge.loss for edge in report.edges],
        "edge_rate": [edge.recent_per_s for edge in report.edges],
        **_of_stages(report.states, report.processes),
        **_of_workers(report),
        "notices": [f"{each.level} {each.time} {each.source}: {each.text}" for each in report.notices[-MOST_NOTICES:]],
        "alarms": [f"{each.level} {each.name}: {each.text} ({each.state})" for each in raised],
    }


def facts_of_feedback(heard: Sequence[Any]) -> dict[str, Any]:
    """Return the values of the newest feedback, each with ``number``, ``action``, ``reason``, ``event`` and ``who``."""
    if not heard:
        return {}
    last = heard[-1]
    return {f"feedback_{name}": getattr(last, name) for name in ("number", "action", "reason", "event", "who")}


def state_of(report: RunReport, states: Mapping[str, Any]) -> tuple[str, str]:
    """Return the Tango state of a pipeline that answers, and a line that says more.

    INIT, ON (ready, nothing to do, or held), RUNNING, ALARM (degraded, or an alarm is raised), FAULT (it cannot go on,
    or the last run failed), STANDBY (no run goes on; the next one may begin), OFF (the last run has ended).
    """
    phase = str(states.get("state", ""))
    state = _STATES.get(phase, "UNKNOWN")
    run = f", run {report.run}" if report.run else ""
    outcome = "" if report.outcome in (RUNNING, "") else f", {report.outcome}"
    notes = [f"{report.pipeline}{run}: {phase}{outcome}"]
    notes += [each.why for each in report.states[:1] if each.why and each.why not in report.reasons]
    if report.outcome == RUNNING:
        progress = progress_of(report)
        total = "" if progress.total is None else f" of {progress.total}"
        notes.append(f"{progress.completed}{total} done")
    raised = [f"alarm {each.name}: {each.text}" for each in report.alarms if each.state in _RAISED]
    if phase == State.INITIALISED and "arm" in states.get("allowed", ()):
        state = "STANDBY"
    elif state == "STANDBY":
        state = "FAULT" if report.outcome == "failed" else state if "arm" in states.get("allowed", ()) else "OFF"
    elif raised and state in ("ON", "RUNNING"):
        state = "ALARM"
    return state, "; ".join([*notes, *report.reasons, *raised])


def _of_stages(states: Iterable[StateReport], processes: Iterable[ProcessReport]) -> dict[str, Any]:
    every = list(states)
    loads = {process.name: process.cpu_share for process in processes if process.pid}
    stages = [each for each in every if each.kind == "stage"]
    workers = [each for each in every if each.kind == "worker"]
    of_stage = {stage.name: [each for each in workers if each.of == stage.name] for stage in stages}
    means = []
    for stage in stages:
        known = [loads[each.name] for each in of_stage[stage.name] if each.name in loads]
        known = known or [loads[name] for name in (stage.name,) if name in loads]
        means.append(sum(known) / len(known) if known else np.nan)
    return {
        "stages": [each.name for each in stages],
        "stage_state": [each.state for each in stages],
        "stage_workers": [len(of_stage[each.name]) for each in stages],
        "stage_load": means,
        "workers": [each.name for each in workers],
        "worker_state": [each.state for each in workers],
        "worker_load": [loads.get(each.name, np.nan) for each in workers],
    }


def _of_workers(report: RunReport) -> dict[str, Any]:
    found = {each.worker: each for each in report.load}
    workers = [found.get(each.name) for each in report.states if each.kind == "worker"]
    return {
        "worker_tags": ["" if each is None else ", ".join(each.tags) for each in workers],
        "worker_last_event": [-1 if each is None or each.event is None else each.event for each in workers],
    }


def _of_source(edges: Iterable[EdgeReport], name: str) -> list[EdgeReport]:
    return [edge for edge in edges if edge.producer == name]
