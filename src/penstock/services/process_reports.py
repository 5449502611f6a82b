"""What the supervisor says of the processes of a run: what each uses, what it is at, how often it died."""

import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from penstock.core.states import State
from penstock.monitor.report import ProcessReport
from penstock.services.members import Member
from penstock.services.usage import Gauge, Usage

__all__ = ["ProcessReports"]

USAGE_S = 1.0


class ProcessReports:
    """What is known of everybody who took part, also of those who have gone.

    Parameters
    ----------
    running
        Says who runs now: process numbers by name.
    """

    def __init__(self, running: Callable[[], Mapping[str, int]]) -> None:
        self._running = running
        self._known: dict[str, ProcessReport] = {}
        self._events: dict[str, int] = {}
        """By process, which event it worked on last, as far as it says."""
        self._read_s = 0.0
        self._gauge = Gauge()

    def read(self, members: Mapping[str, Member], longest_s: float = USAGE_S) -> None:
        """Read what processes use, unless that was done not so long ago: the kernel takes 2 ms for each to count."""
        now = time.monotonic()
        is_due = now - self._read_s >= longest_s
        self._read_s = now if is_due else self._read_s
        for name, pid in self._running().items():
            known = self._known.get(name)
            if is_due or known is None or known.pid != pid:
                self.read_one(name, pid, members.get(name))

    def read_one(self, name: str, pid: int, member: Member | None) -> None:
        """Read what one process uses; of one that has ended the last that was read stands."""
        role, deaths = ("builder", 0) if member is None else (member.role, member.deaths)
        usage: Usage = self._gauge.of(pid)
        if usage.cpu_s or usage.private_bytes or name not in self._known:
            self._known[name] = ProcessReport(
                name=name, role=role, pid=pid, deaths=deaths, **msgspec.structs.asdict(usage)
            )

    def knows(self, name: str) -> bool:
        """Whether anything was read of a process."""
        return name in self._known

    def reports(self, members: Iterable[Member], states: Mapping[str, State]) -> list[ProcessReport]:
        """Return what is known of everybody.

        Parameters
        ----------
        states
            By name, of those who are not the event builder.
        """
        for member in members:
            if member.progress is not None and (event := member.progress.last_event) is not None:
                self._events[member.name] = event
            if (known := self._known.get(member.name)) is not None:
                self._known[member.name] = msgspec.structs.replace(known, deaths=member.deaths, last_death=member.death)
        states = {"builder": State.PROCESSING if "builder" in self._running() else State.STOPPED, **states}
        return [
            msgspec.structs.replace(each, state=str(states.get(name, State.STOPPED)), event=self._events.get(name))
            for name, each in self._known.items()
        ]
