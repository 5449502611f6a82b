"""The recorded run that an event builder repeats: what its event log says was formed, cut, merged and changed."""

from collections.abc import Mapping, Sequence

import msgspec

from penstock.core import Ledger
from penstock.core.event_log import EventLog
from penstock.core.log_records import EventsFormed, LogRecord, Merged, RangeWorked, RunResumed
from penstock.core.log_repeats import ended_at
from penstock.core.replayed_join import RecordedJoin
from penstock.services.merge_room import MergeRoom
from penstock.services.orders import BuilderOrder, MergeOrder
from penstock.services.remote_map import RemoteMap
from penstock.services.replayed_merge import ReplayedMerge
from penstock.services.settled_join import merged_plan
from penstock.wire.envelopes import Change

__all__ = ["RepeatedRun"]


class RepeatedRun:
    """What an event builder goes by in a replay, and in a run that was cut off and goes on; in any other, nothing.

    Parameters
    ----------
    order
        The run's.
    records
        Of the event log, in its order; of a run that goes on, the last one says from where on.
    """

    def __init__(self, order: BuilderOrder, records: Sequence[LogRecord] = ()) -> None:
        self.records = records
        self._replay = order.replay
        self._formed: dict[str, list[EventsFormed]] = {}
        self._ranges: dict[str, list[RangeWorked]] = {}
        self._turns: dict[str, list[Merged]] = {}
        self.resumed: RunResumed | None = None
        """Of a run that goes on: from where on."""
        if self._replay is None:
            return
        if self.goes_on:
            resumed = records[-1]
            assert isinstance(resumed, RunResumed), "it says last from where on it goes on"
            self.resumed = resumed
        self._formed = {join.name: [] for join in order.joins}
        self._ranges = {stage.name: [] for stage in order.stages if stage.repeats_ranges}
        for record in records:
            self._take(record)

    @property
    def goes_on(self) -> bool:
        """Whether the run goes on behind what it repeats."""
        return self._replay is not None and self._replay.missed is not None

    @property
    def is_all(self) -> bool:
        """Whether nothing else is done but to repeat a run."""
        return self._replay is not None and not self.goes_on

    @property
    def kept_ids(self) -> Mapping[str, int]:
        """Of a run that goes on, the last message of each source that was kept."""
        return {} if self.resumed is None else self.resumed.last_ids

    @property
    def missed(self) -> Mapping[str, int]:
        """Of a run that goes on, the last message kept of each source that had more to say."""
        return {} if self._replay is None else self._replay.missed or {}

    def join(self, name: str) -> RecordedJoin | None:
        """Return what was formed of a join; ``None`` if nothing is repeated."""
        if self._replay is None:
            return None
        return RecordedJoin(
            records=self._formed[name], first=self._replay.first, cut_off=self._replay.cut_off, goes_on=self.goes_on
        )

    def merge(self, order: MergeOrder, ledger: Ledger, log: EventLog | None) -> MergeRoom:
        """Return a merge that takes its inputs as it did, or as they come."""
        if self._replay is None:
            return MergeRoom(merged_plan(order), ledger, log)
        return ReplayedMerge(merged_plan(order), ledger, self._turns.get(order.name, ()), log)

    def cut(self, stage: RemoteMap) -> None:
        """Have a stage cut its ranges as it did, if that is known."""
        if stage.name in self._ranges:
            ended = ended_at(self.records, stage.name) if self.goes_on else None
            stage.repeat(self._ranges[stage.name], ended)

    def changes(self, stages: Sequence[str]) -> dict[str, list[Change]]:
        """Return the changes of parameters, by stage; empty if nothing is repeated."""
        if self._replay is None:
            return {}
        return {
            stage: [
                Change(revision, firsts.get(stage, first), msgspec.Raw(values))
                for revision, first, firsts, values in self._replay.changes
            ]
            for stage in stages
        }

    def _take(self, record: LogRecord) -> None:
        if isinstance(record, EventsFormed) and record.join in self._formed:
            self._formed[record.join].append(record)
        elif isinstance(record, Merged):
            self._turns.setdefault(record.merge, []).append(record)
        elif isinstance(record, RangeWorked) and record.stage in self._ranges:
            self._ranges[record.stage].append(record)
