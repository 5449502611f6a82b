"""A join whose events are to travel: every block of theirs lies in a slot."""

from collections.abc import Sequence

from msgspec.structs import replace

from penstock.core import Block, EventBatch
from penstock.core.log_records import EventsFormed
from penstock.pipeline.plan import JoinPlan, MergePlan
from penstock.services.custody import Custody
from penstock.services.flow import Flow
from penstock.services.join_room import JoinRoom
from penstock.services.orders import JoinOrder, MergeOrder
from penstock.wire.values import decode_value

__all__ = ["SettledJoin", "joined_plan", "merged_plan"]


class SettledJoin(JoinRoom):
    """Form the events of one join; blocks that it puts together are written into slots once."""

    custody: Custody
    """Set before the first block comes."""
    _paused_ns: int | None = None
    """Since when its clock stands still."""
    _stood_ns = 0
    """For how long it stood still before."""

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a block and hand on the events that can be formed."""
        assert isinstance(flow, Block), "a join reads sources only"
        self._give(self.builder.handle(flow, self._clock(now)), now)

    def tick(self, now: int) -> None:
        """Let deadlines pass."""
        self._give(self.builder.tick(self._clock(now)), now)

    def pause(self, is_paused: bool, now: int) -> None:
        """Let no time pass while a stream is held: what it has not sent is neither late nor missing."""
        if is_paused and self._paused_ns is None:
            self._paused_ns = now
        elif not is_paused and self._paused_ns is not None:
            self._stood_ns += now - self._paused_ns
            self._paused_ns = None

    @property
    def is_paused(self) -> bool:
        """Whether its clock stands still."""
        return self._paused_ns is not None

    def next_deadline(self) -> int | None:
        """Return when ``tick`` has something to do, if its clock goes on."""
        due = self.builder.next_deadline()
        return None if due is None else due + self._stood_ns

    def _clock(self, now: int) -> int:
        return (now if self._paused_ns is None else self._paused_ns) - self._stood_ns

    def _give(self, batches: Sequence[EventBatch], now: int) -> None:
        for batch in batches:
            if self._stood_ns and batch.arrived_ns:
                batch = replace(batch, arrived_ns=batch.arrived_ns + self._stood_ns)
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
