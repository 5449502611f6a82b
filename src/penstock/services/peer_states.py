"""What each process of a run is at, as far as its event builder can see."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from penstock.core.states import State
from penstock.services.builder_course import BuilderCourse
from penstock.services.peer import Peer
from penstock.services.remote_source import RemoteSource
from penstock.services.remote_stage import RemoteStage

__all__ = ["RECENTLY_NS", "PeerStates"]

RECENTLY_NS: Final = 1_000_000_000
"""Who did nothing for so long, and has nothing to do, is waiting."""


@dataclass(frozen=True, slots=True)
class PeerStates:
    """Says what processes are at."""

    course: BuilderCourse
    sources: Mapping[str, RemoteSource]
    stages: Mapping[str, RemoteStage]

    def of(self, peer: Peer, now: int) -> State:
        """Say what a process is at."""
        if not peer.is_ready:
            return State.INITIALISED
        if peer.is_closed:
            return State.STOPPED
        if peer.is_ended:  # how, the supervisor will say
            return State.FAULT
        if peer.is_leaving or self.course.is_closing:
            return State.FINISHING
        room = self.sources[peer.of] if peer.role == "source" else self.stages[peer.of]
        if isinstance(room, RemoteSource) and room.is_held:
            return State.WAITING if room.is_left_alone else State.PROCESSING
        if not room.is_held and peer.worked_ns and now - peer.worked_ns < RECENTLY_NS:
            return State.PROCESSING
        is_busy = isinstance(room, RemoteStage) and room.is_busy(peer)
        return State.PROCESSING if is_busy else State.WAITING
