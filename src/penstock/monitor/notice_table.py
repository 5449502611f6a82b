"""The last notices of a run, as people read them in a terminal."""

from typing import TYPE_CHECKING, Any

from penstock.monitor.report import NoticeReport, RunReport

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["notice_line", "notice_table"]

STYLES = {"alarm": "bold red", "log": "dim"}


def notice_table(report: RunReport, most: int = 8) -> "Table":
    """Return a row a notice, the newest last; above them how many there were."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("time", "level", "source"):
        table.add_column(name, no_wrap=True)
    table.add_column(_counted(report), overflow="fold")
    for each in report.notices[-most:]:
        style = STYLES.get(each.level, "")
        # UTC, as everything that is kept; to the tenth, as people compare by eye.
        table.add_row(
            each.time[11:21], Text(each.level, style=style), Text(each.source), Text(_said(each), style=style)
        )
    return table


def notice_line(notice: NoticeReport) -> str:
    """Return a notice as one line."""
    source = f" {notice.source}:" if notice.source else ""
    return f"{notice.time[11:21]} {notice.level}{source} {_said(notice)}"


def _counted(report: RunReport) -> str:
    counts = ", ".join(f"{count:,} {level}" for level, count in report.notice_counts.items())
    return f"notices ({counts})" if counts else "notices"


def _said(notice: NoticeReport) -> str:
    code = f" [{notice.code}]" if notice.code else ""
    values = "".join(f" {name}={_value(value)}" for name, value in notice.values.items())
    times = f" (×{notice.times:,})" if notice.times > 1 else ""
    return f"{notice.text}{code}{values}{times}"


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else f"{value}"
