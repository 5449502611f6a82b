"""What the event builder says of a run: its books, and what only it knows."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from penstock.core import NS_PER_S
from penstock.core.states import State
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
from penstock.services.intake import INSTRUMENT
from penstock.services.remote_source import RemoteSource
from penstock.wire.supervision import HELD

if TYPE_CHECKING:
    from penstock.services.builder_process import BuilderProcess

__all__ = ["report_of"]


def report_of(builder: "BuilderProcess") -> RunReport:
    """Return how things are; outcome and reasons are the supervisor's to complete."""
    now = time.monotonic_ns()
    duration_s = (now - builder.began_ns) / NS_PER_S
    builder.watches.look(now)
    floor = builder.floor
    return RunReport(
        pipeline=builder.order.pipeline,
        run=builder.order.run,
        outcome=str(builder.state.prospect),
        exit_code=0,
        reasons=list(builder.state.reasons),
        started="",
        duration_s=duration_s,
        edges=_edges(builder, duration_s, now),
        joins={name: join_report(join.builder) for name, join in builder.joins.items()},
        latencies=latency_report((name, stage.latency) for name, stage in builder.stages.items()),
        outputs=dict(builder.outputs),
        # By event, because which of two workers is the first to say is chance.
        dead_letters=[asdict(failure) for failure in sorted(floor.dead_letters, key=lambda f: (f.stage, f.event or 0))],
        failures=[asdict(failure) for failure in floor.failures],
        processes=[
            ProcessReport(name=peer.name, role=peer.role, pid=0, state=str(builder.state_of(peer)))
            for peer in builder.names.values()
        ],
        pools=_pools(builder),
        states=_states(builder),
        staffs=builder.staffing.reports(),
    )


def _states(builder: "BuilderProcess") -> list[StateReport]:
    """Return what is known here of whoever has more to say than its processes: why it is so, or that it has ended."""
    pipeline = State.FINISHING if builder.is_ending else State.PROCESSING
    found = [StateReport(name=builder.order.pipeline, kind="pipeline", state=str(pipeline))]
    for name, source in builder.sources.items():
        state, why = _state_of_source(builder, source)
        found.append(StateReport(name=name, kind="source", state=str(state), why=why))
    held = (stage.name for stage in builder.order.stages if builder.stages[stage.name].is_held)
    return found + [StateReport(name=name, kind="stage", state=str(State.WAITING), why=HELD) for name in held]


def _state_of_source(builder: "BuilderProcess", source: RemoteSource) -> tuple[State, str]:
    if source.given_up:
        return State.FAULT, source.given_up
    if not source.is_open:
        return State.STOPPED, source.trouble or "it has ended"
    peer = builder.names.get(source.name)
    if peer is None:
        return State.FAULT, ""
    state = builder.state_of(peer)
    if source.is_held and state in (State.WAITING, State.PROCESSING):
        return state, HELD if source.is_left_alone else f"{HELD} when what it reads now has come"
    if builder.is_ending and state in (State.WAITING, State.PROCESSING):
        return State.FINISHING, ""
    return state, ""


def _edges(builder: "BuilderProcess", duration_s: float, now: int) -> list[EdgeReport]:
    """Return the books; of an instrument is known how long its messages have travelled."""
    edges = edges_of(builder.ledger, duration_s, builder.watches, now)
    travelled = latency_report((name, source.latency) for name, source in builder.sources.items())
    return [
        msgspec.structs.replace(edge, latency=travelled.get(edge.consumer)) if edge.producer == INSTRUMENT else edge
        for edge in edges
    ]


def _pools(builder: "BuilderProcess") -> list[PoolReport]:
    lent = builder.custody.lent()
    return [
        PoolReport(
            name=made.name,
            slots=made.slots,
            slot_bytes=made.slot_bytes,
            free=made.slots - lent[made.name, made.generation],
        )
        for made in builder.memory.pools
    ]
