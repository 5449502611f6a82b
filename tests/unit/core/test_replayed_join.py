"""A join driven by the event log forms the same batches again, however the streams are cut and interleaved."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Block, EventBatch, Kind, Ledger
from penstock.core.event_builder import JoinRule
from penstock.core.log_records import EventsFormed
from penstock.core.replayed_join import RecordedJoin, ReplayedJoin
from penstock.core.timestamp import NS_PER_S
from penstock.core.trigger_map import TriggerMap
from penstock.errors import CheckError
from tests.unit.core.builder_cases import PLAIN, SCAN, Case, block, cut, flag, interleaved, tell

RULES = {
    "key": JoinRule(by="key"),
    "key, tolerant": JoinRule(by="key", reorder=3),
    "key, dropping": JoinRule(by="key", incomplete="drop"),
    "ranges": JoinRule(by="key", ranges=("b",)),
    "order": JoinRule(by="order"),
    "map": JoinRule(by="trigger-map"),
    "nearest": JoinRule(by="timestamp", window_ms=2e-6),
    "hold": JoinRule(by="timestamp", hold=("b",), window_ms=2e-6),
    "time ranges": JoinRule(by="timestamp", ranges=("b",), window_ms=2e-6),
}


@st.composite
def streams(draw: st.DrawFn) -> dict[str, list[int]]:
    """Return the keys of two or three streams: some missing, some twice, some overtaken."""
    found = {}
    for name in "abc"[: draw(st.integers(2, 3))]:
        keys = sorted(draw(st.lists(st.integers(0, 25), max_size=25)))
        places = [k + draw(st.integers(0, 2)) for k in range(len(keys))]
        found[name] = [keys[k] for k in sorted(range(len(keys)), key=places.__getitem__)]
    return found


def arrival(data: st.DataObject, keys: Mapping[str, Sequence[int]]) -> list[Block]:
    return data.draw(interleaved({name: data.draw(cut(name, own)) for name, own in keys.items()}))


class Replay:
    """A replayed join with its ledger, fed under the books' law."""

    def __init__(
        self, batches: Sequence[EventBatch], names: Sequence[str], *, first: int = 0, cut_off: str = "", **options: Any
    ) -> None:
        self.ledger = Ledger()
        records = [EventsFormed.of(batch) for batch in batches]
        recorded = RecordedJoin(records=records, first=first, cut_off=cut_off)
        self.join = ReplayedJoin("scan", names, recorded, self.ledger, **options)
        self.batches: list[EventBatch] = []

    def feed(self, blocks: Sequence[Block]) -> "Replay":
        for each in blocks:
            self._took(self.join.handle(each, 5))
        return self

    def close(self) -> "Replay":
        for stream in self.join.streams:
            self._took(self.join.close(stream))
        return self

    def _took(self, batches: Sequence[EventBatch]) -> None:
        self.batches += batches
        for stream in self.join.streams:
            assert self.ledger.entry(stream, "scan").in_flight == self.join.pending(stream)

    @property
    def told(self) -> list[Any]:
        return [tell(batch) for batch in self.batches]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
@given(data=st.data())
def test_the_same_batches_whatever_the_cuts_and_the_interleaving(rule: JoinRule, data: st.DataObject) -> None:
    keys = data.draw(streams())
    trigger_map = TriggerMap.every_event(keys) if rule.by == "trigger-map" else None
    if rule.by == "timestamp":
        keys = {name: sorted(set(own)) for name, own in keys.items()}
        rule = rule if "b" in keys else RULES["nearest"]
    live = Case(keys, rule, PLAIN, trigger_map)
    for at, each in enumerate(arrival(data, keys)):
        live.feed([each], now=at * NS_PER_S)
        if data.draw(st.integers(0, 9)) == 0:
            live.tick((at + 5) * NS_PER_S)
    live.close()
    again = Replay(
        live.batches, tuple(keys), ranges=rule.ranges, trigger_map=trigger_map,
        is_promised=rule.by in ("order", "trigger-map"),
    ).feed(arrival(data, keys)).close()  # fmt: skip
    assert again.told == [tell(batch) for batch in live.batches]
    assert (again.join.formed, again.join.partial) == (live.builder.formed, live.builder.partial)
    assert (again.join.is_finished, again.join.trouble) == (True, "")
    for stream, own in keys.items():
        entry = again.ledger.entry(stream, "scan")
        assert (entry.arrived, entry.in_flight) == (len(own), 0)
        assert entry[Account.JOINED] == live.entry(stream)[Account.JOINED]


def wrapped(n: int) -> list[Block]:
    """Return two streams with what is said before and after their data; ids ascend."""
    blocks = []
    for name in ("a", "b"):
        blocks += [flag(name, Kind.START, 1), block(name, range(n), 2), flag(name, Kind.END, n + 2)]
    return blocks


def recorded(n: int = 4) -> Case:
    return Case(["a", "b"], JoinRule(by="key"), SCAN).feed(wrapped(n))


def test_start_and_end_events_come_again() -> None:
    again = Replay(recorded().batches, ("a", "b")).feed(wrapped(4))
    assert [told[0][0] for told in again.told] == ["START", "DATA", "END"]
    assert again.told[0] == [("START", -1, (1, 1))]
    assert again.join.is_finished


def test_from_an_event_on() -> None:
    again = Replay(recorded().batches, ("a", "b"), first=2).feed(wrapped(4))
    assert [[number for _, number, _ in told] for told in again.told] == [[-1], [2, 3], [-1]]
    assert again.ledger.entry("a", "scan")[Account.DISCARDED] == 2


def test_what_is_not_there_ends_it_before_its_event() -> None:
    blocks = [each for each in wrapped(4) if each.stream == "a"]
    blocks += [flag("b", Kind.START, 1), block("b", range(2), 2)]
    again = Replay(recorded().batches, ("a", "b")).feed(blocks).close()
    assert again.told[1:] == [[("DATA", 0, (2, 2)), ("DATA", 1, (3, 3))]]
    assert again.join.trouble == "scan: the recording ends before event 2: b lacks message 4"
    assert again.join.is_finished
    assert again.ledger.in_flight == 0


def test_a_log_that_was_cut_off_says_up_to_where() -> None:
    live = recorded()
    again = Replay(live.batches[:-1], ("a", "b"), cut_off="its supervisor died").feed(wrapped(4))
    assert [again.join.is_finished, again.close().join.is_finished] == [False, True]
    assert again.join.trouble == "scan: the recording ends behind event 3: its supervisor died"


def test_other_streams_are_refused() -> None:
    with pytest.raises(CheckError, match="joins a, c; the recorded run joined a, b"):
        Replay(recorded().batches, ("a", "c"))


def test_large_blocks_are_not_copied_where_an_event_needs_one_of_them() -> None:
    again = Replay(recorded().batches, ("a", "b"))
    blocks = wrapped(4)
    again.feed(blocks)
    assert again.batches[1].parts[0].block is blocks[1]
    assert isinstance(again.batches[1].parts[0].rows, slice)


def test_what_is_given_up_is_in_the_books() -> None:
    again = Replay(recorded().batches, ("a", "b")).feed(wrapped(4)[:2])
    again.join.abort()
    entry = again.ledger.entry("a", "scan")
    assert (entry[Account.ABORTED], entry.in_flight) == (5, 0)
    assert np.all([again.join.pending(stream) == 0 for stream in ("a", "b")])


def test_what_no_event_needs_is_not_kept_while_others_are_waited_for() -> None:
    again = Replay(recorded(40).batches, ("a", "b"), first=30)
    again.feed([flag("a", Kind.START, 1), flag("b", Kind.START, 1)])
    again.feed([block("a", range(k, k + 5), k + 2) for k in range(0, 30, 5)])
    assert again.join.pending("a") == 0
    assert again.ledger.entry("a", "scan")[Account.DISCARDED] == 30
