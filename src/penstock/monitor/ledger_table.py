"""The report of a run as people read it in a terminal: outcome, ledger, what is worth naming."""

from typing import TYPE_CHECKING

from penstock.core.ledger import Account, Counter
from penstock.monitor.report import EdgeReport, RunReport

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ledger_table", "remarks", "summary"]


def ledger_table(report: RunReport, width: int | None = None) -> "Table":
    """Return the ledger: one row an edge; ``in`` is the sum of the accounts and what is in flight.

    Of a run that goes on, it says how many came over the last second too.

    Parameters
    ----------
    width
        Columns of the terminal. Where they are too few, each row says its sum in words, so that no number is cut off
        and none stands without its name. Without it, the table is as wide as it must be.
    """
    from rich.console import Console

    table = _columns(report)
    if width is None or Console(width=1000).measure(table).maximum <= width:
        return table
    return _sums(report)


def summary(report: RunReport) -> str:
    """Return one line: what the run is and how it went."""
    events = [f"{join.formed:,}{_planned(join.planned)} events of {name}" for name, join in report.joins.items()]
    parts = [f"{report.pipeline} {report.run}: {report.outcome}", *events, f"{report.duration_s:.1f} s"]
    return ", ".join(parts)


def remarks(report: RunReport) -> list[str]:
    """Return what is worth naming: reasons, then the last remarks of each edge, then outputs."""
    lines = list(report.reasons)
    for edge in report.edges:
        named = list(dict.fromkeys(edge.remarks))[-5:]
        lines += [f"{edge.producer} → {edge.consumer}: {remark}" for remark in named]
    return lines


def _columns(report: RunReport) -> "Table":
    """Give every account a column."""
    accounts = [a.label for a in Account if any(a.label in edge.accounts for edge in report.edges)]
    counters = [c.name.lower() for c in Counter if any(c.name.lower() in edge.counters for edge in report.edges)]
    table = _empty()
    for name in (*accounts, "in flight"):
        table.add_column(name, justify="right")
    for name in counters:
        table.add_column(name, justify="right", style="dim")
    is_moving = _is_moving(report)
    if is_moving:
        table.add_column("per s", justify="right")
    for edge in report.edges:
        table.add_row(
            *_head(edge),
            *(_count(edge.accounts.get(name, 0)) for name in accounts),
            _count(edge.in_flight),
            *(_count(edge.counters.get(name, 0)) for name in counters),
            *([_count(round(edge.recent_per_s))] if is_moving else ()),
            style=_style(edge),
        )
    return table


def _sums(report: RunReport) -> "Table":
    """Write every sum in words; what is 0 is left out."""
    table = _empty()
    table.add_column("ended in")
    for edge in report.edges:
        in_flight = {"in flight": edge.in_flight} if edge.in_flight else {}
        terms = " + ".join(f"{n:,} {name}" for name, n in {**edge.accounts, **in_flight}.items())
        counted = ", ".join(f"{n:,} {name}" for name, n in edge.counters.items())
        rate = f"{edge.recent_per_s:,.0f} per s" if _is_moving(report) else ""
        table.add_row(*_head(edge), "; ".join(filter(None, (terms or "·", counted, rate))), style=_style(edge))
    return table


def _empty() -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("from", overflow="fold")
    table.add_column("to", overflow="fold")
    table.add_column("in", justify="right", no_wrap=True)
    table.add_column("")
    return table


def _is_moving(report: RunReport) -> bool:
    return report.outcome == "running" and any(edge.recent_per_s for edge in report.edges)


def _head(edge: EdgeReport) -> tuple[str, str, str, str]:
    return edge.producer, edge.consumer, f"{edge.arrived:,}", "=" if edge.adds_up else "≠"


def _planned(planned: int | None) -> str:
    return "" if planned is None else f" of {planned:,}"


def _count(number: int) -> str:
    return f"{number:,}" if number else "·"


def _style(edge: EdgeReport) -> str:
    return "yellow" if edge.loss or edge.counters else ""
