"""``penstock top``: a running pipeline in a terminal, updating in place; its address is all that is needed."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Group

    from penstock.monitor.report import RunReport

__all__ = ["screen", "top"]

MOST_ALARMS = 2
"""Of the last notices of this level, that stand above everything."""
TABLES = ("alarms", "delays", "rates", "edges", "steps", "files", "workers", "states", "processes", "notices")


def top(
    address: Annotated[
        str, typer.Argument(metavar="[ADDRESS]", help="As penstock run prints it.")
    ] = "http://127.0.0.1:8400",
    every_s: Annotated[float, typer.Option("--every-s", min=0.1, help="How often to look.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end.")] = False,
    only: Annotated[
        str,
        typer.Option(
            "--only",
            help="Show one table: alarms, delays, rates, edges, steps, files, workers, states, processes, notices.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report once, for machines.")] = False,
) -> None:
    """Watch a running pipeline: rate, backlog, latency and loss of edges, steps, files, states, processes, and notices.

    Above them stand how far the run is, and what its code has said back to the scan last.

    --only delays says how long each step takes, --only rates how fast messages and files pass.

    It ends with the run, or with Ctrl-C; the run does not notice. A token is taken from PENSTOCK_VIEWER_TOKEN or
    PENSTOCK_OPERATOR_TOKEN. Exit code 0; 1 if nobody answers.
    """
    import json

    from rich.console import Console

    from penstock.client import connect
    from penstock.errors import CheckError, Problem

    if only and only not in TABLES:
        raise CheckError([Problem(where="--only", text=f"no table is called {only!r}", remedy=", ".join(TABLES))])
    with connect(address) as seen:
        if as_json:
            print(json.dumps(seen.status, indent=2))
            return
        console = Console(highlight=False)
        if once or not sys.stdout.isatty():
            console.print(screen(_report(seen), console.width, seen.address, only))
            return
        _watch(seen, console, every_s, only)


def screen(report: "RunReport", width: int, address: str, only: str = "") -> "Group":
    """Return what is to be seen of a run, for a terminal so many columns wide; one table, if only that is wanted."""
    from rich.console import Group
    from rich.text import Text

    from penstock.monitor.alarm_table import alarm_table, urgent_first
    from penstock.monitor.delay_table import delay_table, rate_table
    from penstock.monitor.edge_table import edge_table, process_table
    from penstock.monitor.files_table import files_table
    from penstock.monitor.ledger_table import summary
    from penstock.monitor.notice_table import notice_line, notice_table
    from penstock.monitor.progress_text import feedback_line, progress_line
    from penstock.monitor.staff_table import staff_table
    from penstock.monitor.state_table import state_table
    from penstock.monitor.step_table import step_table

    title = Text(f"{summary(report)}  {address}", style="bold")
    course = [Text(f"progress: {progress_line(report.progress)}")] if report.progress else []
    course += [Text(f"feedback: {feedback_line(each)}", style="bold") for each in report.feedback[-1:]]
    reasons = [Text(reason, style="red") for reason in report.reasons[:3]]
    tables: dict[str, tuple[Callable[[], Any], bool]] = {
        "alarms": (lambda: alarm_table(report), bool(urgent_first(report))),
        "delays": (lambda: delay_table(report), False),
        "rates": (lambda: rate_table(report), False),
        "edges": (lambda: edge_table(report, width), True),
        "steps": (lambda: step_table(report), bool(report.steps)),
        "files": (lambda: files_table(report.files), bool(report.files)),
        "workers": (lambda: staff_table(report), bool(report.staffs)),
        "states": (lambda: state_table(report), bool(report.states)),
        "processes": (lambda: process_table(report), bool(report.processes or report.machinery)),
        "notices": (lambda: notice_table(report), bool(report.notices)),
    }
    # Also where the terminal is too low for the table of notices.
    graves = [Text(notice_line(each), style="bold red") for each in report.notices if each.level == "alarm"]
    shown = [make() for name, (make, is_shown) in tables.items() if (name == only if only else is_shown)]
    return Group(title, *reasons, *([] if only else [*graves[-MOST_ALARMS:], *course]), *shown)


def _watch(seen: Any, console: Any, every_s: float, only: str) -> None:
    from rich.live import Live

    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while (report := _report(seen)).outcome == "running":
                live.update(screen(report, console.width, seen.address, only), refresh=True)
                time.sleep(every_s)
    except KeyboardInterrupt:
        return
    console.print(screen(report, console.width, seen.address, only))


def _report(seen: Any) -> "RunReport":
    import msgspec

    from penstock.monitor.report import RunReport

    return msgspec.convert(seen.status, RunReport)
