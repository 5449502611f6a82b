"""How long things take at each step, and how fast they pass, as people read it in a terminal: two tables."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from penstock.monitor.report import LatencyReport, RunReport
from penstock.monitor.time_text import time_text

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Passage", "delay_table", "passages", "rate_table"]


class Passage(NamedTuple):
    """What came to one source, stage or sink, and what it made of that."""

    name: str
    came: int
    recent_per_s: float
    """Over about the last second."""
    per_s: float
    """Over the whole run."""
    gave_per_item: float | None
    """How many items it gave for each that came; of a stage that opens files, items per file. ``None`` if it gives
    nothing to anybody, or nothing came."""


def delay_table(report: RunReport) -> "Table":
    """Return a row for each edge, each step, and each stage that counts from the first message of an event on.

    Of an edge it is the time from arrival until the end in an account, waiting and work; of a step, that of a call.
    """
    table = _empty("delay", ("count", "mean", "p50", "p99", "max"))
    for edge in report.edges:
        if edge.latency is not None:
            table.add_row(f"{edge.producer} → {edge.consumer}", *_times(edge.latency))
    for step in report.steps:
        if step.mean_s is not None:
            name = f"{step.stage}.{step.step}, a call"
            table.add_row(name, f"{step.arrived:,}", time_text(step.mean_s), "·", "·", time_text(step.max_s))
    for stage, latency in report.latencies.items():
        table.add_row(f"first message → result of {stage}", *_times(latency))
    return table


def rate_table(report: RunReport) -> "Table":
    """Return a row for each source, stage and sink: how many items came, how fast, how many it gives for each.

    Where file names travel as items, the row of the stage that opens them is that of files, and the one behind it that
    of what is in them.
    """
    table = _empty("rate", ("came", "per s", "on average", "gives for each"))
    for passage in passages(report):
        table.add_row(
            passage.name,
            f"{passage.came:,}",
            _rate(passage.recent_per_s),
            _rate(passage.per_s),
            "·" if passage.gave_per_item is None else f"{passage.gave_per_item:.4g}",
        )
    return table


def passages(report: RunReport) -> Iterator[Passage]:
    """Yield what passes each source, stage and sink, in the order of the flow."""
    for name in dict.fromkeys(edge.consumer for edge in report.edges):
        into = [edge for edge in report.edges if edge.consumer == name]
        out_of = [edge for edge in report.edges if edge.producer == name]
        came = sum(edge.arrived for edge in into)
        # Every reader gets all of it; one that drops has counted what it did not take.
        gave = max((edge.arrived for edge in out_of), default=None)
        yield Passage(
            name,
            came,
            sum(edge.recent_per_s for edge in into),
            sum(edge.rate_per_s for edge in into),
            None if gave is None or not came else gave / came,
        )


def _times(latency: LatencyReport) -> tuple[str, ...]:
    mean_s = latency.sum_s / latency.count if latency.count else None
    return f"{latency.count:,}", *map(time_text, (mean_s, latency.p50_s, latency.p99_s, latency.max_s))


def _rate(per_s: float) -> str:
    """Write a rate; slow ones, as of files, with three digits.

    >>> _rate(12345.6), _rate(0.0333), _rate(0)
    ('12,346', '0.0333', '·')
    """
    if not per_s:
        return "·"
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.3g}"


def _empty(first: str, names: tuple[str, ...]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(first, overflow="fold")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table
