"""How far it is with files that are opened into items, as a table for the terminal, with bars."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.monitor.report import FilesReport

if TYPE_CHECKING:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

__all__ = ["files_table"]

BAR = 24
"""Columns of a bar."""


def files_table(reports: Sequence[FilesReport]) -> "Table":
    """Return a line for each source or step that opens files, and one for the file that is read now.

    Bars: files that are done or failed, of all that are known; items that were given of the file, where it is known how
    many it has.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for report in reports:
        over = report.done + report.failed
        known = over + report.waiting + report.reading + report.read
        failed = f", {report.failed:,} failed" if report.failed else ""
        text = f"{over:,} of {known:,} files{failed}, {report.items:,} items"
        table.add_row(Text(report.name), _bar(over, known), Text(text))
        if report.file:
            total = "" if report.file_total is None else f" of {report.file_total:,}"
            bar = Text("") if report.file_total is None else _bar(report.file_items, report.file_total)
            name = report.file.rpartition("/")[2]
            table.add_row(Text(""), bar, Text(f"{name}: {report.file_items:,}{total} items", overflow="ellipsis"))
    return table


def _bar(done: int, total: int) -> "ProgressBar":
    from rich.progress_bar import ProgressBar

    return ProgressBar(total=max(total, 1), completed=done, width=BAR)
