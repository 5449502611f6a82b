"""Say of a run what its books say: its outcome, and a report of everything worth knowing."""

from collections.abc import Mapping
from dataclasses import asdict

from penstock.core import NS_PER_S, Account, Ledger
from penstock.core.event_builder import EventBuilder
from penstock.core.replayed_join import ReplayedJoin
from penstock.core.resumed_join import ResumedJoin
from penstock.core.run import Outcome, RunState
from penstock.core.timestamp import Timestamp
from penstock.monitor.report import EdgeReport, RunReport, join_report, latency_report
from penstock.services.build import Rooms
from penstock.services.map_room import MapRoom
from penstock.services.user_calls import Failure

__all__ = ["judge", "settle", "write_report"]


def settle(ledger: Ledger, state: RunState) -> None:
    """Close the books: whatever is still under way ends as aborted, and fails a run that nobody stopped."""
    if state.prospect in (Outcome.FINISHED, Outcome.INCOMPLETE) and ledger.in_flight:
        state.mark(Outcome.FAILED, f"{ledger.in_flight} messages or events were still under way")
    for entry in ledger:
        entry.post(Account.ABORTED, entry.in_flight)


def judge(ledger: Ledger, state: RunState, builders: Mapping[str, EventBuilder | ReplayedJoin | ResumedJoin]) -> None:
    """Mark a run incomplete if the books, or what the event builders of its joins have, say so."""
    for name, builder in builders.items():
        if builder.trouble:
            state.mark(Outcome.INCOMPLETE, builder.trouble)
        if builder.unformed:
            state.mark(Outcome.INCOMPLETE, f"{name}: {builder.unformed} planned events never formed")
        if builder.partial:
            state.mark(Outcome.INCOMPLETE, f"{name}: {builder.partial} events lack a part")
    lost = ledger.total(Account.INCOMPLETE)
    if lost:
        state.mark(Outcome.INCOMPLETE, f"{lost} messages whose event never formed")
    state.dead_letters = ledger.total(Account.DEAD_LETTERED)


def write_report(
    pipeline: str,
    state: RunState,
    started: Timestamp,
    duration_ns: int,
    edges: list[EdgeReport],
    rooms: Rooms,
    failures: list[Failure],
) -> RunReport:
    """Write down how a run is, or how it ended.

    Parameters
    ----------
    failures
        Those of user code that happened outside of any event.
    """
    calls = [call for room in rooms.stages.values() for call in room.calls.values()]
    latencies = [(name, room.latency) for name, room in rooms.stages.items() if isinstance(room, MapRoom)]
    has_ended = state.outcome is not Outcome.RUNNING
    return RunReport(
        pipeline=pipeline,
        run=state.id,
        outcome=str(state.outcome),
        exit_code=state.exit_code if has_ended else 0,
        reasons=list(state.reasons),
        started=started.isoformat(),
        duration_s=duration_ns / NS_PER_S,
        edges=edges,
        joins={name: join_report(room.builder) for name, room in rooms.joins.items()},
        latencies=latency_report(latencies),
        outputs={name: room.path for name, room in rooms.sinks.items() if room.path},
        dead_letters=[asdict(failure) for call in calls for failure in call.dead_letters],
        failures=[asdict(failure) for failure in [*failures, *(f for call in calls for f in call.failures)]],
    )
