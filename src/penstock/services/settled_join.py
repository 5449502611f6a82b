"""A join whose events are to travel: every block of theirs lies in a slot."""

from collections.abc import Sequence

from penstock.core import EventBatch
from penstock.core.log_records import EventsFormed
from penstock.pipeline.plan import JoinPlan, MergePlan
from penstock.services.custody import Custody
from penstock.services.join_room import JoinRoom
from penstock.services.orders import JoinOrder, MergeOrder
from penstock.wire.values import decode_value

__all__ = ["SettledJoin", "joined_plan", "merged_plan"]


class SettledJoin(JoinRoom):
    """Form the events of one join; blocks that it puts together are written into slots once."""

    custody: Custody
    """Set before the first block comes."""

    def _give(self, batches: Sequence[EventBatch], now: int) -> None:
        for batch in batches:
            if self._log is not None:
                self._log.append(EventsFormed.of(batch))
            self.outlet.pass_on(self.custody.settle(batch), now)
        if self.builder.is_finished:
            self.outlet.close(now)


def joined_plan(order: JoinOrder) -> JoinPlan:
    """Return the plan of a join."""
    return JoinPlan(
        name=order.name,
        streams=order.streams,
        by=order.by,  # type: ignore[arg-type]  # a text that the plan has checked
        options=decode_value(order.options),
        incomplete=order.incomplete,  # type: ignore[arg-type]
        wait_s=order.wait_s,
    )


def merged_plan(order: MergeOrder) -> MergePlan:
    """Return the plan of a merge."""
    return MergePlan(name=order.name, streams=order.streams)
