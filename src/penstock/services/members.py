"""Everybody who takes part in a run, as the supervisor has them: started, introduced to the event builder, replaced."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from penstock.core.restart_budget import RESTARTS, RestartBudget
from penstock.services.child import Child, Death
from penstock.services.orders import RoomOrder, SourceOrder
from penstock.services.processes import Processes
from penstock.services.progress import Progress
from penstock.transport.seqpacket import Link
from penstock.wire.supervision import Enter

__all__ = ["Member", "Members"]

GENERATIONS = 1_000_000
"""Each incarnation of a process numbers its pools from a multiple of this."""
FUNCTIONS = {
    "source": "penstock.services.source_process:run",
    "map": "penstock.services.worker_process:run",
    "steps": "penstock.services.steps_process:run",
    "reduce": "penstock.services.reduce_process:run",
    "sink": "penstock.services.sink_process:run",
}

Say = Callable[[Enter, Sequence[int]], None]
"""Says something to the event builder, with descriptors beside."""


@dataclass(slots=True, eq=False)
class Member:
    """One process that takes part, through all of its incarnations."""

    name: str
    of: str
    role: str
    order: SourceOrder | RoomOrder
    fds: tuple[int, ...] = ()
    """What its role has beside link and progress; the supervisor's."""
    cpus: Collection[int] = ()
    child: Child | None = None
    progress: Progress | None = None
    """The page of its present incarnation."""
    is_entered: bool = False
    keeps_state: bool = True
    has_left: bool = False
    """Whether it said its last word."""
    is_leaving: bool = False
    deaths: int = 0
    budget: RestartBudget = field(default_factory=lambda: RestartBudget(RESTARTS))
    due_s: float | None = None
    """When the next incarnation is to be started, on the monotonic clock; ``None``: it is there, or none will be."""
    last_death: str = ""
    """How it died last, until another incarnation is ready."""
    death: str = ""
    """How it died last, whoever has followed."""
    given_up: str = ""
    """Why none will follow the last incarnation, though one could have."""
    is_renewed: bool = False
    """Whether it leaves to be followed by another one of its name."""
    quick_deaths: int = 0
    """In a row, before it was ready, or very soon after."""
    killed_for: str = ""
    """Why the supervisor killed it itself."""
    usage: dict[str, float] = field(default_factory=dict)
    """What earlier incarnations used."""
    noted: bytes = b""
    """What its process noted last, as far as somebody has looked."""

    def look(self) -> bytes:
        """Return what its process noted last; also when it has ended."""
        self.noted = (b"" if self.progress is None else self.progress.noted) or self.noted
        return self.noted


class Members:
    """The processes of a run.

    Parameters
    ----------
    processes
        Where they are started.
    say
        To the event builder.
    """

    def __init__(self, processes: Processes, say: Say) -> None:
        self._processes = processes
        self._say = say
        self.by_name: dict[str, Member] = {}
        self._by_number: dict[int, Member] = {}
        self._begun: dict[str, int] = {}
        """How often somebody of a name was started; one who left may be followed by another of that name."""

    def __iter__(self) -> Any:  # an iterator of Member
        return iter(list(self.by_name.values()))

    def of(self, name: str) -> list[Member]:
        """Return those of one source, stage or sink who stay."""
        return [m for m in self.by_name.values() if m.of == name and not m.is_leaving]

    def add(self, member: Member) -> None:
        """Start a process for a new member, and introduce it."""
        self.by_name[member.name] = member
        self.start(member)

    def start(self, member: Member) -> None:
        """Start the next incarnation.

        Raises
        ------
        ProcessError
            If no process can be made.
        """
        begun = self._begun.get(member.name, 0)
        generation = begun * GENERATIONS + 1
        member.order = msgspec.structs.replace(member.order, generation=generation)
        self._begun[member.name] = begun + 1
        member.is_entered = member.has_left = False
        member.killed_for = ""
        member.due_s = None
        mine, its = Link.pair()
        self._forget(member)
        progress = member.progress = Progress.make(member.name)
        try:
            member.child = self._processes.start(
                member.name,
                FUNCTIONS[member.role],
                member.order,
                [its.fileno(), progress.fd, *member.fds],
                cpus=member.cpus,
            )
            self._by_number[member.child.number] = member
            self._say(Enter(member.name, member.of, member.role), [mine.fileno(), progress.fd])
        finally:
            its.close()
            mine.close()

    def bury(self, death: Death) -> Member | None:
        """Return whose process has ended; ``None`` if that is nobody of these."""
        member = self._by_number.pop(death.child.number, None)
        if member is not None and member.child is not None and member.child.number == death.child.number:
            member.child = None
            member.has_left |= member.progress is not None and member.progress.has_left
            self._forget(member)
        return member

    def kill(self, name: str, why: str) -> None:
        """Kill a process that hangs."""
        member = self.by_name.get(name)
        if member is not None and member.child is not None:
            member.killed_for = why
            self._processes.kill(member.child)

    def interrupt(self) -> None:
        """Stop whatever user code is at, wherever it is; sources read on, and are told otherwise."""
        for member in self:
            if member.role != "source" and member.child is not None:
                self._processes.stop(member.child)

    def close(self) -> None:
        """Let go of what is known of anybody; their processes go with whoever started them."""
        for member in self:
            self._forget(member)

    @staticmethod
    def _forget(member: Member) -> None:
        if member.progress is not None:
            member.look()
            member.progress.close()
            member.progress = None

    def is_alive(self, member: Member) -> bool:
        """Whether its process is there at this very moment, whether or not a death was told yet."""
        return member.child is not None and self._processes.is_alive(member.child)

    @property
    def are_ready(self) -> bool:
        """Whether everybody has made what it is to run."""
        return all(member.is_entered for member in self.by_name.values())

    def pids(self) -> Mapping[str, int]:
        """Return who runs now."""
        return {m.name: m.child.pid for m in self.by_name.values() if m.child is not None}
