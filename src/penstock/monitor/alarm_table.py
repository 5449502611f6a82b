"""Alarms as people see them in a terminal: those that ask for somebody first."""

from typing import TYPE_CHECKING, Final

from penstock.core.alarm import LEVELS, AlarmState
from penstock.monitor.report import AlarmReport, RunReport

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["alarm_table", "urgent_first"]

_STYLES: Final = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_URGENCY: Final = (AlarmState.RAISED, AlarmState.RETURNED, AlarmState.ACKNOWLEDGED, AlarmState.NORMAL)


def urgent_first(report: RunReport) -> list[AlarmReport]:
    """Return the alarms that are not normal: what nobody knows of first, and the gravest of it."""
    asked = [alarm for alarm in report.alarms if alarm.state != AlarmState.NORMAL]
    return sorted(asked, key=lambda alarm: (_URGENCY.index(AlarmState(alarm.state)), -LEVELS.index(alarm.level)))


def alarm_table(report: RunReport) -> "Table":
    """Return the alarms that are not normal as a table."""
    from rich.table import Table
    from rich.text import Text

    table = Table("alarm", "level", "state", "since", "what is the matter", box=None, pad_edge=False)
    for alarm in urgent_first(report):
        state = alarm.state if not alarm.acknowledged_by else f"{alarm.state} by {alarm.acknowledged_by}"
        state += ", muted" if alarm.muted_until else ""
        since = (alarm.raised or "")[11:19]
        style = _STYLES[alarm.level] if alarm.state == AlarmState.RAISED else ""
        table.add_row(Text(alarm.name, style=style), Text(alarm.level, style=style), state, since, Text(alarm.text))
    return table
