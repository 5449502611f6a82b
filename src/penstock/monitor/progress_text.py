"""How far a run is, and what its code said back to the scan last, each as one line for a terminal."""

from penstock.core.feedback import Feedback
from penstock.monitor.report import ProgressReport

__all__ = ["feedback_line", "progress_line"]


def progress_line(progress: ProgressReport) -> str:
    """Return how many events, or items of sources, are through, of how many, and what was lost on the way.

    >>> progress_line(ProgressReport(formed=1300, completed=1250, total=5000, is_over=False, lost=2))
    '1,250 of 5,000 through (25 %), 50 under way, 2 lost'
    >>> progress_line(ProgressReport(formed=1300, completed=1300, total=None, is_over=True))
    '1,300 through'
    """
    through = f"{progress.completed:,}"
    if progress.total is not None:
        share = f" ({100 * progress.completed // progress.total} %)" if progress.total else ""
        through += f" of {progress.total:,} through{share}"
    else:
        through += " through"
    under_way = progress.formed - progress.completed
    parts = [through, f"{under_way:,} under way" if under_way > 0 else ""]
    return ", ".join(filter(None, [*parts, f"{progress.lost:,} lost" if progress.lost else ""]))


def feedback_line(said: Feedback) -> str:
    """Return one piece of feedback: number, time, stage, event, action, reason.

    >>> time_ns = 1_780_000_000_000_000_000
    >>> said = Feedback(action="next", reason="1e6 counts", run="r1", event=7, number=3, time_ns=time_ns, who="fit")
    >>> feedback_line(said)
    '3 20:26:40 fit, event 7: next: 1e6 counts'
    """
    about = "" if said.event is None else f", event {said.event}"
    why = f": {said.reason}" if said.reason else ""
    return f"{said.number} {said.time[11:19]} {said.who}{about}: {said.action}{why}"
