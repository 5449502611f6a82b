"""What commands that run a pipeline have in common: progress and ledger in the terminal, the report in a file."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.monitor.report import RunReport

__all__ = ["WIDE", "Progress", "must_be_writable", "print_report", "report_as_json", "value_of", "write_report"]

WIDE = 250
"""Columns of what is not read in a terminal: there nothing needs folding."""


def value_of(text: str) -> tuple[str, Any]:
    """Read a start value, written ``name=value``.

    Raises
    ------
    CheckError
        If it has no value.
    """
    import json

    from penstock.errors import CheckError, Problem

    name, equals, value = text.partition("=")
    if not equals:
        raise CheckError([Problem(where="--set", text=f"no value in {text!r}", remedy="write STAGE.NAME=VALUE")])
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def must_be_writable(path: Path | None) -> None:
    """Find out now that a report cannot be written, not after hours of measuring."""
    from penstock.errors import CheckError, Problem

    if path is None:
        return
    try:
        is_new = not path.exists()
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        remedy = "name a file in a folder that you may write"
        raise CheckError([Problem(where="--report", text=f"{path}: {error.strerror}", remedy=remedy)]) from error


def write_report(report: "RunReport", path: Path) -> bool:
    """Write a report as JSON; return whether it was."""
    try:
        path.write_bytes(report_as_json(report))
    except OSError as error:
        if path.is_file():  # half of it would be taken for all
            path.unlink()
        print(f"penstock: --report: {path} was not written: {error.strerror}", file=sys.stderr)
        return False
    return True


def report_as_json(report: "RunReport") -> bytes:
    """Return a report for machines."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(report), indent=2)


def print_report(report: "RunReport") -> None:
    """Print the ledger, what is worth naming, and how it ended."""
    from rich.console import Console

    from penstock.monitor.ledger_table import ledger_table, remarks, summary
    from penstock.monitor.step_table import step_table

    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
    if report.outcome != "failed" or any(edge.arrived for edge in report.edges):
        console.print(ledger_table(report, console.width))
        if report.steps:
            console.print(step_table(report))
    for line in remarks(report):
        console.print(line, markup=False)
    for latency_of, latency in report.latencies.items():
        figures = f"p50 {latency.p50_s * 1e3:.1f} ms, p99 {latency.p99_s * 1e3:.1f} ms"
        console.print(f"{latency_of}: from arrival to result {figures}", markup=False)
    for files in report.files:
        kinds = ("waiting", "reading", "read", "done", "failed")
        counts = ", ".join(f"{count:,} {kind}" for kind in kinds if (count := getattr(files, kind)))
        where = f"; {files.state_file}" if files.state_file else ""
        console.print(f"{files.name}: files: {counts or 'none'}{where}", markup=False)
    for sink, path in report.outputs.items():
        console.print(f"{sink}: {path}", markup=False)
    for failure in report.failures[-1:]:
        console.print(str(failure["traceback"]).rstrip(), markup=False)
    console.print(summary(report), markup=False)


class Progress:
    """The ledger in the terminal, updating in place while the run goes on, and below it what steps show there."""

    def __init__(self, *, hidden: bool) -> None:
        self._hidden = hidden
        self._live: Any = None
        self._ledger: tuple[Any, ...] = ()
        self._lines: Sequence[str] = ()
        self._end = ExitStack()

    def __enter__(self) -> "Progress":
        if not self._hidden:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                console=Console(stderr=True),
                transient=True,
                auto_refresh=False,
                redirect_stdout=sys.stdout.isatty(),  # what goes into a file or a pipe must stay there
            )
            from penstock.elements.terminal_display import TERMINAL

            self._live.start()
            self._end.callback(self._live.stop)
            self._end.enter_context(TERMINAL.shown_by(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._end.close()

    def __call__(self, report: "RunReport") -> None:
        """Show how things are now."""
        if self._live is None:
            return
        from rich.text import Text

        from penstock.monitor.ledger_table import ledger_table, summary
        from penstock.monitor.step_table import step_table

        more = [step_table(report)] if report.steps else []
        if report.files:
            from penstock.monitor.files_table import files_table

            more.append(files_table(report.files))
        self._ledger = ledger_table(report, self._live.console.width), *more, Text(summary(report))
        self._draw()

    def show(self, lines: Sequence[str]) -> None:
        """Show lines below the ledger; from any thread."""
        self._lines = lines
        self._draw()

    def keep(self, line: str) -> None:
        """Write a line above, which stays."""
        self._live.console.print(line, markup=False, highlight=False)

    def close(self) -> None:
        """Stay as it is: the run goes on without such lines."""

    def _draw(self) -> None:
        from rich.console import Group
        from rich.text import Text

        lines = (Text(line, no_wrap=True, overflow="ellipsis") for line in self._lines)
        self._live.update(Group(*self._ledger, *lines), refresh=True)
