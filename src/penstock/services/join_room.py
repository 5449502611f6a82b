"""A join in one thread: hands blocks to the event builder and events on."""

from collections.abc import Mapping, Sequence

from penstock.core import Block, EventBatch
from penstock.core.decoder import Traits
from penstock.core.event_builder import EventBuilder, JoinRule
from penstock.core.event_log import EventLog
from penstock.core.ledger import Ledger
from penstock.core.log_records import EventsFormed
from penstock.core.map_addition import MapAddition
from penstock.core.replayed_join import RecordedJoin, ReplayedJoin
from penstock.core.resumed_join import ResumedJoin
from penstock.core.trigger_map import TriggerMap
from penstock.errors import StateError
from penstock.pipeline.plan import JoinPlan
from penstock.services.flow import Flow, Outlet

__all__ = ["JoinRoom"]


class JoinRoom:
    """Form the events of one join, or form those of a recorded run again, and perhaps go on behind them."""

    def __init__(
        self,
        plan: JoinPlan,
        traits: Mapping[str, Traits],
        ledger: Ledger,
        trigger_map: TriggerMap | None,
        log: EventLog | None = None,
        recorded: RecordedJoin | None = None,
    ) -> None:
        self.name = plan.name
        self.outlet = Outlet(plan.name)
        self._log = log
        options = {key: value for key, value in plan.options.items() if key in JoinRule.__struct_fields__}
        for key in ("ranges", "hold"):
            options[key] = tuple(options.get(key, ()))
        rule = JoinRule(by=plan.by, incomplete=plan.incomplete, wait_s=plan.wait_s, **options)
        streams = {stream: traits[stream] for stream in plan.streams}
        self.builder: EventBuilder | ReplayedJoin | ResumedJoin
        if recorded is None:
            self.builder = EventBuilder(plan.name, streams, rule, ledger, trigger_map)
            return
        self.builder = replay = ReplayedJoin(
            plan.name, plan.streams, recorded, ledger, ranges=rule.ranges, trigger_map=trigger_map,
            is_promised=rule.by in ("order", "trigger-map"),
        )  # fmt: skip
        if recorded.goes_on:
            self.builder = ResumedJoin(replay, EventBuilder(plan.name, streams, rule, ledger, trigger_map))

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a block and hand on the events that can be formed."""
        assert isinstance(flow, Block), "a join reads sources only"
        self._give(self.builder.handle(flow, now), now)

    def close(self, producer: str, now: int) -> None:
        """Learn that a stream will give nothing more."""
        self._give(self.builder.close(producer), now)

    def tick(self, now: int) -> None:
        """Let deadlines pass."""
        self._give(self.builder.tick(now), now)

    def extend(self, addition: MapAddition, now: int) -> None:
        """Let the trigger map grow, and hand on what waited for that.

        Raises
        ------
        StateError
            If the last event has been formed.
        MapError
            If it does not fit the map.
        """
        if self.builder.is_finished:
            raise StateError(f"{self.name} has formed its last event; nothing can be appended to its map any more")
        self._give(self.builder.extend(addition), now)

    def complete_map(self, now: int) -> None:
        """Take it that the trigger map grows no more."""
        self._give(self.builder.complete_map(), now)

    def stop(self, now: int) -> None:
        """Form what can be formed: nothing more will come."""
        self._give(self.builder.stop(), now)

    def _give(self, batches: Sequence[EventBatch], now: int) -> None:
        if self._log is not None:
            for batch in batches:
                self._log.append(EventsFormed.of(batch))
        self.outlet.give(batches, now)
        if self.builder.is_finished:
            self.outlet.close(now)
