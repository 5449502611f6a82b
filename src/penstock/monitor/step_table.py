"""How the steps of chains are doing, as people read it in a terminal: a row a step."""

from typing import TYPE_CHECKING

from penstock.monitor.report import RunReport, StepReport
from penstock.monitor.time_text import time_text

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["step_table"]


def step_table(report: RunReport) -> "Table":
    """Return what came to each step, how long it takes, and what did not get through.

    While a run goes on, its rate is that of the last second; afterwards, that of the whole run.
    """
    from rich import box
    from rich.table import Table

    is_running = report.outcome == "running"
    queues = [step for step in report.steps if step.capacity and is_running]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("step", overflow="fold")
    for name in ("in/s", "mean", "max", "filtered", "failed", *(("waiting",) if queues else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for step in report.steps:
        table.add_row(
            f"{step.stage}.{step.step}",
            _rate(step.recent_per_s if is_running else step.rate_per_s),
            time_text(step.mean_s),
            time_text(step.max_s),
            _count(step.filtered),
            _count(step.failed),
            *((_waiting(step),) if queues else ()),
            style="yellow" if step.failed else "",
        )
    return table


def _rate(per_s: float) -> str:
    """Write a rate; slow ones with three digits.

    >>> _rate(1234567.8), _rate(0.25), _rate(0.0)
    ('1,234,568', '0.25', '·')
    """
    if not per_s:
        return "·"
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.3g}"


def _waiting(step: StepReport) -> str:
    return f"{step.waiting:,} of {step.capacity:,}" if step.capacity else ""


def _count(number: int) -> str:
    return f"{number:,}" if number else "·"
