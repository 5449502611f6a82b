"""What the processes of a run's parallel stages are at and use, for its report."""

import time
from collections.abc import Sequence

import msgspec

from penstock.monitor.report import ProcessReport
from penstock.services.strands.parallel_feed import ParallelFeed

__all__ = ["children_reports"]

USAGE_S = 1.0
"""How old what is said of processes may be."""


def children_reports(feeds: Sequence[ParallelFeed]) -> list[ProcessReport]:
    """Return a report of every process, by stage and worker."""
    now_s = time.monotonic()
    found = []
    for hand in [hand for feed in feeds for hand in feed.processes]:
        if now_s - hand.usage_s >= USAGE_S:
            hand.look_at_usage()
        found.append(
            ProcessReport(
                name=hand.name,
                role="steps",
                pid=0 if hand.has_ended else hand.pid,
                state=hand.state,
                deaths=hand.deaths,
                **msgspec.structs.asdict(hand.usage),
            )
        )
    return found
