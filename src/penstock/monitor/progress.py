"""How far a run is, and how busy each of its workers, out of its books: what scan software asks for."""

from collections.abc import Iterable, Mapping, Sequence

from penstock.monitor.report import EdgeReport, LoadReport, ProcessReport, ProgressReport, RunReport, StateReport

__all__ = ["load_of", "progress_of"]

WORKER = "worker"


def progress_of(report: RunReport) -> ProgressReport:
    """Return how many events a run has formed, how many of them are through, and how many there will be.

    Where nothing is joined, the items of the sources count. An event is through when nothing that came of it is under
    way any more, whatever became of it.
    """
    behind = _behind(report.edges)
    if report.joins:
        formed = {name: join.formed for name, join in report.joins.items()}
        planned = [join.planned for join in report.joins.values()]
        total = None if None in planned else sum(count for count in planned if count is not None)
    else:
        fed = {edge.consumer for edge in report.edges}
        formed, total = {}, None
        for edge in report.edges:
            if edge.producer not in fed:
                formed[edge.producer] = max(formed.get(edge.producer, 0), edge.arrived)
    completed = sum(max(0, count - behind.get(name, 0)) for name, count in formed.items())
    return ProgressReport(
        formed=sum(formed.values()), completed=completed, total=total, is_over=report.outcome != "running",
        lost=sum(edge.loss for edge in report.edges),
    )  # fmt: skip


def load_of(report: RunReport, tags: Mapping[str, Iterable[str]] | None = None) -> list[LoadReport]:
    """Return how busy each worker is that is a process of its own, in the order of the pipeline.

    Parameters
    ----------
    tags
        Of the workers, by stage.
    """
    processes: Mapping[str, ProcessReport] = {each.name: each for each in report.processes}
    return [
        _load(each, processes[each.name], sorted((tags or {}).get(each.of, ())))
        for each in report.states
        if each.kind == WORKER and each.name in processes
    ]


def _load(state: StateReport, process: ProcessReport, tags: list[str]) -> LoadReport:
    return LoadReport(
        worker=state.name, stage=state.of, state=state.state, share=process.cpu_share, cpu_s=process.cpu_s,
        deaths=process.deaths, tags=tags, event=process.event,
    )  # fmt: skip


def _behind(edges: Sequence[EdgeReport]) -> dict[str, int]:
    """Return by producer how many items are under way behind it at most, on the fullest of the ways they may take."""
    after: dict[str, list[EdgeReport]] = {}
    for edge in edges:
        after.setdefault(edge.producer, []).append(edge)
    found: dict[str, int] = {}

    def behind(name: str) -> int:
        if name not in found:
            found[name] = 0  # a pipeline has no way back; a report that was made up shall not hang
            found[name] = max((edge.in_flight + behind(edge.consumer) for edge in after.get(name, ())), default=0)
        return found[name]

    for name in after:
        behind(name)
    return found
