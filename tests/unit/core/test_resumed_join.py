"""A join that goes on behind the log of a run that was cut off forms what the uninterrupted one would have formed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Block, EventBatch, Kind, Ledger
from penstock.core.decoder import Traits
from penstock.core.event_builder import EventBuilder, JoinRule
from penstock.core.log_records import EventsFormed
from penstock.core.replayed_join import RecordedJoin, ReplayedJoin
from penstock.core.resumed_join import ResumedJoin
from penstock.core.timestamp import NS_PER_S
from penstock.core.trigger_map import TriggerMap
from tests.unit.core.builder_cases import PLAIN, SCAN, Case, block, flag, tell
from tests.unit.core.test_replayed_join import RULES, arrival, streams


class Resumed:
    """A join that goes on, with its ledger, fed under the books' law."""

    def __init__(
        self,
        logged: Sequence[EventBatch],
        names: Sequence[str],
        rule: JoinRule,
        traits: Traits = PLAIN,
        trigger_map: TriggerMap | None = None,
    ) -> None:
        self.ledger = Ledger()
        recorded = RecordedJoin(records=[EventsFormed.of(batch) for batch in logged], goes_on=True)
        replay = ReplayedJoin("scan", names, recorded, self.ledger, ranges=rule.ranges, trigger_map=trigger_map)
        live = EventBuilder("scan", dict.fromkeys(names, traits), rule, self.ledger, trigger_map)
        self.join = ResumedJoin(replay, live)
        self.batches: list[EventBatch] = []

    def feed(self, blocks: Sequence[Block], now: int = 5) -> "Resumed":
        for each in blocks:
            self._took(self.join.handle(each, now))
        return self

    def close(self) -> "Resumed":
        for stream in self.join.streams:
            self._took(self.join.close(stream))
        return self

    def tick(self, now: int) -> "Resumed":
        self._took(self.join.tick(now))
        return self

    def entry(self, stream: str) -> Any:
        return self.ledger.entry(stream, "scan")

    def _took(self, batches: Sequence[EventBatch]) -> None:
        self.batches += batches
        for stream in self.join.streams:
            assert self.entry(stream).in_flight == self.join.pending(stream)

    @property
    def told(self) -> list[Any]:
        return [each for batch in self.batches for each in tell(batch)]


def again(data: st.DataObject, blocks: Sequence[Block]) -> list[Block]:
    """Return what was recorded: the streams as they were, cut and interleaved otherwise."""
    keys: Mapping[str, list[int]] = {}
    found = {name: [int(k) for b in blocks if b.stream == name for k in b.keys] for name in "abc"}  # type: ignore[union-attr]
    keys = {name: own for name, own in found.items() if own}
    return arrival(data, keys)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
@given(data=st.data())
def test_it_goes_on_as_if_it_had_not_been_cut_off(rule: JoinRule, data: st.DataObject) -> None:
    keys = data.draw(streams())
    if rule.by == "timestamp":
        keys = {name: sorted(set(own)) for name, own in keys.items()}

    def new_map() -> TriggerMap | None:
        return TriggerMap.every_event(keys) if rule.by == "trigger-map" else None

    blocks = arrival(data, keys)
    whole = Case(keys, rule, PLAIN, new_map()).feed(blocks).close()
    at = data.draw(st.integers(0, len(blocks)))
    before = Case(keys, rule, PLAIN, new_map()).feed(blocks[:at])
    logged = before.batches[: data.draw(st.integers(0, len(before.batches)))]
    resumed = Resumed(logged, tuple(keys), rule, PLAIN, new_map())
    resumed.feed(again(data, blocks[:at])).feed(blocks[at:]).close()
    assert resumed.told == whole.told
    assert (resumed.join.formed, resumed.join.next_number) == (whole.builder.formed, whole.builder.next_number)
    assert resumed.join.is_finished
    for stream, own in keys.items():
        entry = resumed.entry(stream)
        assert (entry.arrived, entry.in_flight) == (len(own), 0)
        assert entry[Account.JOINED] == whole.entry(stream)[Account.JOINED]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
@given(data=st.data())
def test_what_was_given_up_before_stays_given_up(rule: JoinRule, data: st.DataObject) -> None:
    keys = data.draw(streams())
    if rule.by == "timestamp":
        keys = {name: sorted(set(own)) for name, own in keys.items()}
    trigger_map = TriggerMap.every_event(keys) if rule.by == "trigger-map" else None
    blocks = arrival(data, keys)
    at = data.draw(st.integers(0, len(blocks)))
    before = Case(keys, rule, PLAIN, trigger_map)
    for k, each in enumerate(blocks[:at]):
        before.feed([each], now=k * NS_PER_S)
        if data.draw(st.booleans()):
            before.tick((k + 5) * NS_PER_S)
    resumed = Resumed(before.batches, tuple(keys), rule, PLAIN, trigger_map)
    resumed.feed(again(data, blocks[:at])).feed(blocks[at:]).close()
    assert resumed.told[: len(before.told)] == before.told
    numbers = [number for kind, number, _ in resumed.told if kind == "DATA"]
    assert numbers == sorted(set(numbers))
    assert resumed.ledger.in_flight == 0
    if "hold" not in RULES or rule is not RULES["hold"]:
        used = [(k, i) for _, _, parts in resumed.told for k, part in enumerate(parts) for i in _ids(part)]
        assert len(used) == len(set(used))


def _ids(part: Any) -> Sequence[int]:
    return () if part is None else part if isinstance(part, tuple) else (part,)


def wrapped(name: str, n: int) -> list[Block]:
    return [flag(name, Kind.START, 1), block(name, range(n), 2), flag(name, Kind.END, n + 2)]


def test_the_instrument_that_was_not_heard_leaves_a_gap() -> None:
    rule = JoinRule(by="key")
    before = Case(["a", "b"], rule, SCAN)
    for name in "ab":
        before.feed([flag(name, Kind.START, 1), block(name, range(4), 2)])
    resumed = Resumed(before.batches, ("a", "b"), rule, SCAN)
    for name in "ab":
        resumed.feed([flag(name, Kind.START, 1), block(name, range(4), 2)])
    assert resumed.join.is_live
    resumed.feed([flag("a", Kind.START, 6), block("a", range(7, 9), 7), block("b", range(5, 9), 6)])
    resumed.feed([flag("a", Kind.END, 9), flag("b", Kind.END, 10)])
    assert [told[1] for told in resumed.told] == [-1, *range(8), -1]
    assert resumed.told[5:8] == [("DATA", 4, (None, 6)), ("DATA", 5, (None, 7)), ("DATA", 6, (7, 8))]
    assert resumed.entry("a")[Account.DISCARDED] == 1  # another start within the run
    assert [remark.detail for remark in resumed.entry("a").remarks][-1] == "numbers 4 to 6 missing"
    assert resumed.ledger.in_flight == 0


def test_what_came_before_the_cut_is_late_behind_it() -> None:
    rule = JoinRule(by="key")
    before = Case(["a", "b"], rule).feed([block("a", range(4), 1), block("b", range(1, 4), 1)])
    resumed = Resumed(before.batches, ("a", "b"), rule).feed([block("a", range(4), 1), block("b", range(1, 4), 1)])
    resumed.feed([block("b", [0], 4)])
    assert resumed.entry("b")[Account.LATE] == 1


def test_deadlines_begin_when_the_log_is_through() -> None:
    rule = JoinRule(by="key", wait_s=2)
    before = Case(["a", "b"], rule).feed([block("a", range(2), 1), block("b", range(2), 1)])
    resumed = Resumed(before.batches, ("a", "b"), rule).feed([block("a", range(3), 1)], now=0)
    assert resumed.join.next_deadline() is None
    assert resumed.join.pending("a") == 3  # what waits is in the books, so that nobody reads far ahead
    resumed.feed([block("b", range(2), 1)], now=9 * NS_PER_S)
    assert resumed.join.next_deadline() == 11 * NS_PER_S
    resumed.tick(11 * NS_PER_S)
    assert resumed.told[-1] == ("DATA", 2, (3, None))


def test_a_map_is_complete_before_the_log_is_through() -> None:
    def grown() -> TriggerMap:
        return TriggerMap.every_event(["a"])

    rule = JoinRule(by="trigger-map")
    before = Case(["a"], rule, PLAIN, grown()).feed([block("a", range(2), 1)])
    resumed = Resumed(before.batches, ("a",), rule, PLAIN, grown())
    assert resumed.join.complete_map() == []
    resumed.feed([block("a", range(3), 1)]).close()
    assert [told[1] for told in resumed.told] == [-1, 0, 1, 2, -1]


def test_stopped_before_the_log_is_through() -> None:
    rule = JoinRule(by="key")
    before = Case(["a", "b"], rule).feed([block("a", range(4), 1), block("b", range(4), 1)])
    resumed = Resumed(before.batches, ("a", "b"), rule).feed([block("a", range(4), 1), block("b", range(2), 1)])
    resumed.batches += resumed.join.stop()
    assert [told[1] for told in resumed.told] == [-1, 0, 1]
    assert (resumed.join.is_finished, resumed.ledger.in_flight) == (True, 0)


def test_a_run_that_was_at_its_end_ends() -> None:
    rule = JoinRule(by="key")
    before = Case(["a"], rule, SCAN).feed(wrapped("a", 3))
    resumed = Resumed(before.batches, ("a",), rule, SCAN).feed([*wrapped("a", 3), block("a", [7], 6)])
    assert resumed.told == before.told
    assert resumed.join.is_finished
    assert resumed.entry("a")[Account.DISCARDED] == 1
