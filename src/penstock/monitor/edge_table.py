"""How a run is doing, as people read it in a terminal: every edge, every process."""

from typing import TYPE_CHECKING

from penstock.monitor.report import EdgeReport, LatencyReport, RunReport
from penstock.monitor.time_text import time_text

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["edge_table", "process_table"]

NARROW = 100
"""Columns of a terminal below which the medians are left out, so that no number is cut off."""


def edge_table(report: RunReport, width: int) -> "Table":
    """Return a row an edge: what came, how fast it comes, what waits, how long it takes, what was lost."""
    table = _empty("edge")
    is_wide = width >= NARROW
    for name in ("arrived", "per s", "backlog", *(("p50",) if is_wide else ()), "p99", "lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for edge in report.edges:
        table.add_row(
            f"{edge.producer} → {edge.consumer}",
            f"{edge.arrived:,}",
            _rate(edge),
            _backlog(edge),
            *((_time(edge.latency, "p50_s"),) if is_wide else ()),
            _time(edge.latency, "p99_s"),
            f"{edge.loss:,}" if edge.loss else "·",
            style="yellow" if edge.loss else "",
        )
    return table


def process_table(report: RunReport) -> "Table":
    """Return a row a process that is there: what it does, what it uses and has used, how often it has died.

    Below those of the pipeline stand the processes around them.
    """
    table = _empty("process")
    for name in ("state", "cpu", "used", "memory", "deaths"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in (*report.processes, *report.machinery):
        if each.pid:
            table.add_row(
                each.name,
                each.state or "·",
                f"{100 * each.cpu_share:.0f} %",
                f"{each.cpu_s:.1f} s",
                f"{each.private_bytes / 1e6:.0f} MB",
                f"{each.deaths}" if each.deaths else "·",
                style="yellow" if each.deaths else "",
            )
    return table


def _empty(first: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(first, overflow="fold")
    return table


def _rate(edge: EdgeReport) -> str:
    return f"{edge.recent_per_s:,.0f}" if edge.recent_per_s else "·"


def _backlog(edge: EdgeReport) -> str:
    """Write what waits, and how much can where that is bounded by a number."""
    return f"{edge.waiting:,} of {edge.capacity:,}" if edge.capacity else f"{edge.in_flight:,}"


def _time(latency: LatencyReport | None, which: str) -> str:
    return time_text(None if latency is None else getattr(latency, which))
