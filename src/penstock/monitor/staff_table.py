"""How many workers stages have whose workers come and go with the load, as people read it in a terminal."""

from typing import TYPE_CHECKING

from penstock.monitor.report import RunReport, StaffReport

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["staff_table"]


def staff_table(report: RunReport) -> "Table":
    """Return a row for each such stage: its workers and their limits, how busy they are, and why there are so many."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("workers of", no_wrap=True)
    for name in ("there", "limits", "busy", "waits"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last change", overflow="fold")
    for each in report.staffs:
        limits = f"{each.least}–{each.most}" if each.pinned is None else f"at {each.pinned}"
        table.add_row(
            Text(each.stage), _there(each), limits, f"{each.busy:.0%}", f"{each.waiting:,}", Text(each.why or "none")
        )
    return table


def _there(each: StaffReport) -> str:
    return f"{each.workers} + {each.coming}" if each.coming else str(each.workers)
