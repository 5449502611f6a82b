"""Where everything long-lived of a run is in its life, as people read it in a terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from penstock.monitor.report import RunReport, StateReport

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["state_table"]

STYLES = {"fault": "bold red", "degraded": "yellow", "initialised": "dim", "stopped": "dim", "finishing": "cyan"}
MOST_WORKERS = 6
"""Of a stage that are in the same state and shown one by one; of more it is said how many there are."""


def state_table(report: RunReport) -> "Table":
    """Return a row a pipeline, source, stage and sink; workers of a stage stand below it, those in one state together.

    Whoever is not as the others, or says why it is as it is, has a row of its own.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("since", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for name, kind, each in _rows(report.states):
        style = STYLES.get(each.state, "")
        table.add_row(name, kind, Text(each.state, style=style), _since(each.since_s), Text(each.why))
    return table


def _rows(states: Sequence[StateReport]) -> Iterator[tuple[str, str, StateReport]]:
    workers: list[StateReport] = []
    for each in states:
        if each.kind == "worker":
            workers.append(each)
            continue
        yield from _workers(workers)
        workers = []
        yield each.name, each.kind, each
    yield from _workers(workers)


def _workers(workers: Sequence[StateReport]) -> Iterator[tuple[str, str, StateReport]]:
    """Yield the workers of one stage; those of whom there is nothing to say but their state together."""
    alike = Counter(each.state for each in workers if not each.why)
    told = set()
    for each in workers:
        if each.why or alike[each.state] <= MOST_WORKERS:
            yield f"  {each.name}", "worker", each
        elif each.state not in told:
            told.add(each.state)
            yield f"  {alike[each.state]} of {len(workers)}", "workers", each


def _since(since_s: float) -> str:
    """Write for how long.

    >>> _since(4.2), _since(75), _since(7300), _since(200_000)
    ('4 s', '1 min', '2 h', '2 d')
    """
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if since_s >= size:
            return f"{since_s / size:.0f} {unit}"
    return f"{since_s:.0f} s"
