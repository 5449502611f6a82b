"""The parallel stages of one run of chains whose workers come and go with the load.

It lives in the thread that looks after the run, looks at the stages from there, and asks them for other numbers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from penstock.core.command import AUTO, WorkerCount
from penstock.core.staffing import Load, Staffing
from penstock.errors import PenstockError
from penstock.monitor.report import StaffReport
from penstock.services.staff_reports import staff_report, staff_text
from penstock.services.strands.desk import Desk
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.process_hand import ProcessHand

__all__ = ["FeedStaffing"]

LOOK_NS: Final = 100_000_000
"""How often at most it looks."""


@dataclass(eq=False)
class _Staff:
    feed: ParallelFeed
    staffing: Staffing
    load: Load
    looked_ns: int = 0
    worked_ns: int = 0


class FeedStaffing:
    """Lets workers of parallel stages come and go.

    Parameters
    ----------
    feeds
        All there are; those of stages without limits are left alone.
    notice
        Raises a line for people: a text, and the stage that it is of.
    """

    def __init__(self, feeds: Iterable[ParallelFeed], notice: Callable[[str, str], None]) -> None:
        nothing = Load(present=0, spare=0, busy=0.0, waiting=0)
        self._staffs = {
            feed.stage.name: _Staff(feed, Staffing(feed.stage.plan.limits), nothing)
            for feed in feeds
            if feed.stage.plan.limits is not None
        }
        self._notice = notice
        self._due_ns = 0

    def __bool__(self) -> bool:
        return bool(self._staffs)

    def has(self, stage: str) -> bool:
        """Whether the workers of a stage come and go with the load."""
        return stage in self._staffs

    def pin(self, stage: str, workers: WorkerCount) -> None:
        """Keep so many workers of a stage; ``auto``: go by the load again.

        Raises
        ------
        PenstockError
            If it is not within the limits.
        """
        try:
            self._staffs[stage].staffing.pin(None if workers == AUTO else workers)
        except ValueError as error:
            raise PenstockError(f"stage {stage}: {error}") from None
        self._due_ns = 0

    def look(self, now_ns: int) -> None:
        """Ask for more workers, or for fewer, where that is due."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + LOOK_NS
        for name, staff in self._staffs.items():
            self._measure(staff, now_ns)
            if staff.feed.is_held or staff.feed.is_halted:
                staff.staffing.forget()
                continue
            move = staff.staffing.look(now_ns, staff.load)
            if move is None:
                continue
            before = staff.load.present + staff.load.coming
            try:
                staff.feed.scale(move.workers)
            except PenstockError as error:  # its steps could not be made once more
                self._notice(f"{before} workers, and no more: {error}", name)
                staff.staffing.forget()
                continue
            self._notice(staff_text(before, move.workers, move.why), name)

    def reports(self) -> list[StaffReport]:
        """Say how many workers there are, between which limits, and why."""
        return [staff_report(name, staff.staffing, _counted(staff)) for name, staff in self._staffs.items()]

    @staticmethod
    def _measure(staff: _Staff, now_ns: int) -> None:
        feed = staff.feed
        made, coming = _workers(feed)
        # What a worker is at is taken to have gone on since it was last seen, until it is known how long it took.
        worked_ns = feed.worked_ns + sum(max(0, now_ns - desk.since_ns) for desk in made if _is_at_work(desk))
        took_ns, staff.looked_ns = max(1, now_ns - staff.looked_ns), now_ns
        busy, staff.worked_ns = (worked_ns - staff.worked_ns) / took_ns, worked_ns
        staff.load = Load(present=len(made), coming=coming, spare=len(made), busy=busy, waiting=feed.waiting)


def _workers(feed: ParallelFeed) -> tuple[list[Desk], int]:
    """Return who is there and stays, and how many are on the way."""
    desks = [desk for desk in feed.staff.desks if desk.is_there]
    made = [desk for desk in desks if not isinstance(desk.hand, ProcessHand) or desk.hand.is_made]
    return made, len(desks) - len(made) + feed.staff.coming


def _counted(staff: _Staff) -> Load:
    """Return the load as it was, with those who are there now: in virtual time nobody measures it."""
    made, coming = _workers(staff.feed)
    return replace(staff.load, present=len(made), coming=coming)


def _is_at_work(desk: Desk) -> bool:
    return bool(desk.spans) and desk.hand.begun > desk.answered
