"""The map stages of one run whose workers come and go with the load, as the event builder sees them.

It measures, has the policy decide, and picks who leaves. Processes are started and ended by the supervisor.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.core import NS_PER_S
from penstock.core.staffing import Limits, Load, Staffing
from penstock.monitor.report import StaffReport
from penstock.services.occupancy import Occupancy
from penstock.services.peer import Peer
from penstock.services.remote_map import RemoteMap
from penstock.services.staff_reports import staff_report
from penstock.wire import supervision as say

__all__ = ["LOOK_NS", "BuilderStaffing"]

LOOK_NS: Final = 250_000_000
"""How often at least it looks; for how long workers are at work is measured all the time."""
HOPELESS_NS: Final = 10_000_000_000
"""A process that was not even begun after so long could not be made."""
LOOKS: Final = 4
"""In a stretch of ``grow_s``, at least."""


_NOTHING: Final = Load(present=0, spare=0, busy=0.0, waiting=0)


@dataclass(eq=False)
class _Staff:
    """One stage, and who is known to be there."""

    stage: RemoteMap
    staffing: Staffing
    occupancy: Occupancy = field(default_factory=Occupancy)
    asked: int = 0
    """Workers that the supervisor was asked for and has not told of."""
    asked_ns: int = 0
    known: set[str] = field(default_factory=set)
    looked_ns: int = 0
    is_closing: bool = False
    """Whether some are given nothing but what must stay with them."""
    load: Load = _NOTHING


class BuilderStaffing:
    """Lets workers of map stages come and go.

    Parameters
    ----------
    stages
        Those that have limits.
    peers
        Everybody there is, by name.
    tell
        Says something to the supervisor.
    leave
        Lets a worker go that has done what it has.
    """

    def __init__(
        self,
        stages: Iterable[tuple[RemoteMap, Limits]],
        peers: Mapping[str, Peer],
        *,
        tell: Callable[[Any], None],
        leave: Callable[[Peer], None],
    ) -> None:
        self._staffs = {stage.name: _Staff(stage, Staffing(limits)) for stage, limits in stages}
        for staff in self._staffs.values():
            staff.stage.occupancy = staff.occupancy
        self._peers = peers
        self._tell = tell
        self._leave = leave
        self._due_ns = 0
        shortest_s = min((staff.staffing.limits.grow_s for staff in self._staffs.values()), default=1.0)
        self._every_ns = min(LOOK_NS, round(shortest_s * NS_PER_S / LOOKS))

    @property
    def due_ns(self) -> int | None:
        """When it should look again; ``None``: never."""
        return self._due_ns if self._staffs else None

    def pin(self, stage: str, workers: int) -> None:
        """Keep so many workers, which must be within the limits; 0: go by the load again."""
        self._staffs[stage].staffing.pin(workers or None)
        self._due_ns = 0

    def look(self, now_ns: int) -> None:
        """Let workers come or go where that is due."""
        if now_ns < self._due_ns:
            return
        self._due_ns = now_ns + self._every_ns
        for name, staff in self._staffs.items():
            spare = self._measure(staff, now_ns)
            if not staff.stage.goes_by_load:
                staff.staffing.forget()
                continue
            move = staff.staffing.look(now_ns, staff.load)
            if staff.staffing.surplus or staff.is_closing:
                self._close(staff)
            if move is None:
                continue
            there = staff.load.present + staff.load.coming
            if move.workers > there:
                staff.asked, staff.asked_ns = staff.asked + move.workers - there, now_ns
                self._tell(say.Hire(name, move.workers - there, move.workers, move.why))
            else:
                self._let_go(name, spare[: there - move.workers], move.workers, move.why)

    def reports(self) -> list[StaffReport]:
        """Say how many workers there are, between which limits, and why."""
        return [staff_report(name, staff.staffing, staff.load) for name, staff in self._staffs.items()]

    # Inside

    def _measure(self, staff: _Staff, now_ns: int) -> list[Peer]:
        """Note what a stage has to do; return who could leave."""
        mine = [p for p in self._peers.values() if p.of == staff.stage.name and not (p.is_leaving or p.is_closed)]
        names = {peer.name for peer in mine}
        is_hopeless = now_ns - staff.asked_ns > HOPELESS_NS
        staff.asked = 0 if is_hopeless else max(0, staff.asked - len(names - staff.known))
        staff.known = names
        ready = [peer for peer in mine if peer.name in staff.stage.peers]
        can_leave, opens = staff.stage.spare()
        spare = [peer for peer in can_leave if peer.name in names]
        took_ns, staff.looked_ns = max(1, now_ns - staff.looked_ns), now_ns
        worked_ns = staff.occupancy.take(now_ns)
        staff.load = Load(
            present=len(ready),
            coming=staff.asked + len(mine) - len(ready),
            spare=min(len(spare), max(0, len(ready) - 1)),
            busy=min(len(ready), sum(worked_ns.values()) / took_ns),
            busiest=min(1.0, max(worked_ns.values(), default=0) / took_ns),
            opens=opens,
            waiting=staff.stage.backlog,
            is_blocked=staff.stage.is_held_up,
        )
        return spare

    @staticmethod
    def _close(staff: _Staff) -> None:
        """Let those who are too many come to an end with what must stay with them, or take part again."""
        there = [peer for peer in staff.stage.peers.values() if not peer.is_leaving]
        there.sort(key=lambda peer: -int(peer.name.rpartition("-")[2]))
        closing = there[: min(staff.staffing.surplus, len(there) - 1)]
        staff.stage.keep_to_own(closing)
        staff.is_closing = bool(closing)

    def _let_go(self, stage: str, leaving: Sequence[Peer], workers: int, why: str) -> None:
        # Said together, and before any of them goes: what one leaves behind must not be given to another.
        self._tell(say.Dismiss(stage, tuple(peer.name for peer in leaving), workers, why))
        for peer in leaving:
            self._leave(peer)
