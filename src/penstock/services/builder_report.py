"""What the event builder says of a run: its books, and what only it knows."""

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from penstock.core import NS_PER_S
from penstock.monitor.report import RunReport, edges_of, join_report, latency_report

if TYPE_CHECKING:
    from penstock.services.builder_process import BuilderProcess

__all__ = ["report_of"]


def report_of(builder: "BuilderProcess") -> RunReport:
    """Return how things are; outcome and reasons are the supervisor's to complete."""
    duration_s = (time.monotonic_ns() - builder.began_ns) / NS_PER_S
    floor = builder.floor
    return RunReport(
        pipeline=builder.order.pipeline,
        run=builder.order.run,
        outcome=str(builder.state.prospect),
        exit_code=0,
        reasons=list(builder.state.reasons),
        started="",
        duration_s=duration_s,
        edges=edges_of(builder.ledger, duration_s),
        joins={name: join_report(join.builder) for name, join in builder.joins.items()},
        latencies=latency_report((name, stage.latency) for name, stage in builder.stages.items()),
        outputs={},
        # By event, because which of two workers is the first to say is chance.
        dead_letters=[asdict(failure) for failure in sorted(floor.dead_letters, key=lambda f: (f.stage, f.event or 0))],
        failures=[asdict(failure) for failure in floor.failures],
    )
