"""What is said of a stage whose workers come and go with the load: in reports, and in a notice for each change."""

from penstock.core.staffing import Load, Staffing
from penstock.monitor.report import StaffReport

__all__ = ["staff_report", "staff_text"]


def staff_report(stage: str, staffing: Staffing, load: Load) -> StaffReport:
    """Return how a stage is staffed."""
    limits = staffing.limits
    return StaffReport(
        stage=stage,
        workers=load.present,
        coming=load.coming,
        least=limits.least,
        most=limits.most,
        pinned=staffing.pinned,
        busy=round(min(1.0, staffing.busy / load.present), 3) if load.present else 0.0,
        waiting=load.waiting,
        why=staffing.why,
    )


def staff_text(before: int, workers: int, why: str) -> str:
    """Say a change in one line.

    >>> staff_text(2, 3, "100% busy for 1 s while 54 wait")
    '2 → 3 workers: 100% busy for 1 s while 54 wait'
    """
    return f"{before} → {workers} worker{'' if workers == 1 else 's'}: {why}"
