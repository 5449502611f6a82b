"""What the event builder says of a run: its books, and what only it knows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import msgspec

from penstock.core import NS_PER_S, Ledger
from penstock.core.run import RunState
from penstock.core.states import State
from penstock.monitor.edge_watch import Watches
from penstock.monitor.report import (
    EdgeReport,
    PoolReport,
    ProcessReport,
    RunReport,
    StateReport,
    edges_of,
    join_report,
    latency_report,
)
from penstock.services.builder_course import BuilderCourse
from penstock.services.builder_staffing import BuilderStaffing
from penstock.services.intake import INSTRUMENT
from penstock.services.orders import BuilderOrder
from penstock.services.peer import Peer
from penstock.services.peer_states import PeerStates
from penstock.services.pool_register import PoolRegister
from penstock.services.remote_source import RemoteSource
from penstock.services.remote_stage import Floor, RemoteStage
from penstock.services.settled_join import SettledJoin
from penstock.wire.supervision import HELD

__all__ = ["BuilderReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderReport:
    """Writes down how a run is; what it reads is the event builder's, and changes."""

    order: BuilderOrder
    began_ns: int
    """On the monotonic clock."""
    course: BuilderCourse
    state: RunState
    ledger: Ledger
    watches: Watches
    floor: Floor
    memory: PoolRegister
    peers: Mapping[str, Peer]
    sources: Mapping[str, RemoteSource]
    joins: Mapping[str, SettledJoin]
    stages: Mapping[str, RemoteStage]
    staffing: BuilderStaffing
    outputs: Mapping[str, str]
    """By sink of items, the file that it has written."""

    def write(self, now: int) -> RunReport:
        """Return how things are; outcome and reasons are the supervisor's to complete."""
        duration_s = (now - self.began_ns) / NS_PER_S
        self.watches.look(now)
        floor, states = self.floor, PeerStates(self.course, self.sources, self.stages)
        said = {peer.name: states.of(peer, now) for peer in self.peers.values()}
        return RunReport(
            pipeline=self.order.pipeline,
            run=self.order.run,
            outcome=str(self.state.prospect),
            exit_code=0,
            reasons=list(self.state.reasons),
            started="",
            duration_s=duration_s,
            edges=self._edges(duration_s, now),
            joins={name: join_report(join.builder) for name, join in self.joins.items()},
            latencies=latency_report((name, stage.latency) for name, stage in self.stages.items()),
            outputs=dict(self.outputs),
            # By event, because which of two workers is the first to say is chance.
            dead_letters=[asdict(each) for each in sorted(floor.dead_letters, key=lambda f: (f.stage, f.event or 0))],
            failures=[asdict(failure) for failure in floor.failures],
            processes=[
                ProcessReport(name=peer.name, role=peer.role, pid=0, state=str(said[peer.name]))
                for peer in self.peers.values()
            ],
            pools=self._pools(),
            states=self._states(said),
            staffs=self.staffing.reports(),
        )

    def _states(self, said: Mapping[str, State]) -> list[StateReport]:
        """Return what is known here of whoever has more to say than its processes: why it is so, or that it ended."""
        pipeline = State.FINISHING if self.course.is_ending else State.PROCESSING
        found = [StateReport(name=self.order.pipeline, kind="pipeline", state=str(pipeline))]
        for name, source in self.sources.items():
            state, why = self._state_of_source(source, said.get(name))
            found.append(StateReport(name=name, kind="source", state=str(state), why=why))
        held = (stage.name for stage in self.order.stages if self.stages[stage.name].is_held)
        return found + [StateReport(name=name, kind="stage", state=str(State.WAITING), why=HELD) for name in held]

    def _state_of_source(self, source: RemoteSource, state: State | None) -> tuple[State, str]:
        if source.given_up:
            return State.FAULT, source.given_up
        if not source.is_open:
            return State.STOPPED, source.trouble or "it has ended"
        if state is None:
            return State.FAULT, ""
        if source.is_held and state in (State.WAITING, State.PROCESSING):
            return state, HELD if source.is_left_alone else f"{HELD} when what it reads now has come"
        if self.course.is_ending and state in (State.WAITING, State.PROCESSING):
            return State.FINISHING, ""
        return state, ""

    def _edges(self, duration_s: float, now: int) -> list[EdgeReport]:
        """Return the books; of an instrument is known how long its messages have travelled."""
        edges = edges_of(self.ledger, duration_s, self.watches, now)
        travelled = latency_report((name, source.latency) for name, source in self.sources.items())
        return [
            msgspec.structs.replace(edge, latency=travelled.get(edge.consumer)) if edge.producer == INSTRUMENT else edge
            for edge in edges
        ]

    def _pools(self) -> list[PoolReport]:
        lent = self.memory.custody.lent()
        return [
            PoolReport(
                name=made.name,
                slots=made.slots,
                slot_bytes=made.slot_bytes,
                free=made.slots - lent[made.name, made.generation],
            )
            for made in self.memory.pools
        ]
