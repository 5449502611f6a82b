"""How an ensemble and its scan are, in the words of dranspose's controller, out of the report of the run."""

import logging
from importlib.metadata import version
from typing import Any, Final

from penstock.compat.dranspose.adapted import build_meta
from penstock.compat.dranspose.ensemble import Ensemble
from penstock.compat.dranspose.pipelines import SCAN
from penstock.errors import StateError
from penstock.monitor.report import ProcessReport, RunReport

__all__ = ["config_of", "load_of", "logs_of", "progress_of", "status_of"]

_LEVELS: Final = {"log": "DEBUG", "info": "INFO", "alarm": "ERROR"}


def progress_of(ensemble: Ensemble) -> dict[str, Any]:
    """Return how many events are done; ``finished`` also when a scan ended otherwise, which ``outcome`` says."""
    report = ensemble.report
    formed, done = _formed(report), _done(report)
    return {
        "last_assigned": formed,
        "completed_events": done,
        "total_events": ensemble.planned,
        "finished": ensemble.is_finished,
        "outcome": "" if report is None else report.outcome,
        "reasons": [] if report is None else report.reasons,
        "lost": _lost(report),
    }


def status_of(ensemble: Ensemble) -> dict[str, Any]:
    """Return what is known of the scan, with its books; as long whatever its length."""
    progress = progress_of(ensemble)
    report = ensemble.report
    edges = [] if report is None else report.edges
    books = [{"from": e.producer, "to": e.consumer, "arrived": e.arrived, "accounts": e.accounts} for e in edges]
    return {
        "work_completed": {process.name: _share(process) for process in _workers(ensemble, report)},
        "assignment": [],
        "processing_times": {},
        "books": books,
        "failures": [] if report is None else report.failures,
        **progress,
    }


def load_of(ensemble: Ensemble, intervals: list[int], *, with_scan: bool) -> dict[str, Any]:
    """Return how busy each worker is: of an interval of the last second or so, and of the whole scan."""
    report = ensemble.report
    if report is None:
        return {}
    found = {}
    for process in _workers(ensemble, report):
        lately = {"total": 1.0, "active": round(min(1.0, process.cpu_share), 4), "load": process.cpu_share}
        spans: dict[str, Any] = {str(k): {**lately, "events": k} for k in intervals}
        if with_scan:
            whole = {"total": report.duration_s, "active": process.cpu_s, "events": _formed(report)}
            spans["scan"] = {**whole, "load": process.cpu_s / report.duration_s if report.duration_s else 0.0}
        found[process.name] = {"last_event": process.event or 0, "intervals": spans}
    return found


def config_of(ensemble: Ensemble) -> dict[str, Any]:
    """Return what there is."""
    meta = build_meta()
    common = {
        "dranspose_version": None, "penstock_version": version("penstock"), "parameters_hash": ensemble.hash,
        "mapping_uuid": ensemble.scan or None,
        "mapreduce_version": None if meta is None else meta.model_dump(mode="json"),
    }  # fmt: skip
    report = ensemble.report
    rate = _rate(report)
    workers = [
        {**common, "name": f"{pool.name}-{k}", "tags": sorted(pool.tags), "ingesters": [], **rate}
        for pool in ensemble.pools
        for k in range(pool.workers)
    ]
    return {
        "ingesters": [
            {**common, "name": f"{stream}-ingester", "streams": [stream], "url": str(_address(source)), **rate}
            for stream, source in ensemble.sources.items()
        ],
        "workers": workers,
        "reducer": {**common, "name": "reducer", "url": "", **rate} if ensemble.reducer else None,
        "controller_version": version("penstock"),
        "parameters_version": {name: str(each.uuid) for name, each in ensemble.parameters.items()},
        "parameters_hash": ensemble.hash,
    }  # fmt: skip


def logs_of(ensemble: Ensemble, level: str = "DEBUG") -> list[dict[str, str]]:
    """Return the last notices and failures of the scan as lines of a log, those at least so grave.

    Raises
    ------
    StateError
        If there is no such level.
    """
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise StateError(f"there is no level {level[:20]!r}; there are {', '.join(levels)}")
    lines = [
        {"levelname": _LEVELS[each.level], "name": each.source, "asctime": each.time, "message": each.text}
        for each in ensemble.notices()
    ]
    report = ensemble.report
    lines += [
        {
            "levelname": "ERROR",
            "name": str(each["stage"]),
            "asctime": "",
            "message": f"event {each['event']}: {each['cause']}",
        }
        for each in ([] if report is None else report.failures)
    ]
    return [line for line in lines if levels[line["levelname"]] >= levels[level.upper()]]


def _address(source: Any) -> Any:  # an entry of a pipeline
    return source.tree["use"].arguments.get("connect", "")


def _formed(report: RunReport | None) -> int:
    return report.joins[SCAN].formed if report is not None and SCAN in report.joins else 0


def _done(report: RunReport | None) -> int:
    """Return how many events have gone through everything, those included that nobody was to get."""
    if report is None:
        return 0
    behind = [edge.in_flight for edge in report.edges if edge.producer == SCAN]
    later = [edge.in_flight for edge in report.edges if edge.consumer == "reduce"]
    return max(0, _formed(report) - max(behind, default=0) - max(later, default=0))


def _lost(report: RunReport | None) -> dict[str, int]:
    if report is None:
        return {}
    return {f"{edge.producer} → {edge.consumer}": edge.loss for edge in report.edges if edge.loss}


def _rate(report: RunReport | None) -> dict[str, Any]:
    edge = next((edge for edge in report.edges if edge.producer == SCAN), None) if report is not None else None
    return {
        "processed_events": 0 if edge is None else edge.arrived,
        "event_rate": 0.0 if edge is None else edge.recent_per_s,
    }


def _workers(ensemble: Ensemble, report: RunReport | None) -> list[ProcessReport]:
    names = {f"{pool.name}-{k}" for pool in ensemble.pools for k in range(pool.workers)}
    return [] if report is None else [process for process in report.processes if process.name in names]


def _share(process: ProcessReport) -> dict[str, Any]:
    return {"state": process.state, "cpu_s": process.cpu_s, "deaths": process.deaths}
