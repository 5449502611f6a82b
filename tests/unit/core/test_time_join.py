"""The event builder by time: what belongs to an event does not depend on which stream was faster."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Block
from penstock.core.event_builder import JoinRule
from tests.unit.core.builder_cases import Case, interleaved
from tests.unit.core.builder_cases import block as block_of

MS = 1_000_000
NEAREST = JoinRule(by="timestamp", window_ms=2)
HOLD = JoinRule(by="timestamp", hold=("slow",), window_ms=2, hold_wait_s=1.0)
RANGE = JoinRule(by="timestamp", ranges=("samples",), window_ms=2)

times = st.integers(20, 60).flatmap(
    lambda last: st.lists(st.integers(0, last), min_size=1, max_size=20, unique=True).map(sorted)
)


def block(stream: str, at_ms: list[int], first_id: int = 1) -> Block:
    return block_of(stream, range(len(at_ms)), first_id, [ms * MS for ms in at_ms])


@st.composite
def arrivals(draw: st.DrawFn, *names: str) -> tuple[dict[str, list[int]], list[Block], list[Block]]:
    """Return times of each stream, and its blocks in two different interleavings and cuts."""
    streams = {name: draw(times) for name in names}
    return streams, _arrival(draw, streams), _arrival(draw, streams)


def _arrival(draw: Any, streams: dict[str, list[int]]) -> list[Block]:
    blocks = {}
    for name, own in streams.items():
        cuts = sorted(draw(st.sets(st.integers(1, len(own)), max_size=4)) | {len(own)})
        starts = [0, *cuts[:-1]]
        blocks[name] = [block(name, own[a:b], a + 1) for a, b in zip(starts, cuts, strict=True) if b > a]
    order: list[Block] = draw(interleaved(blocks))
    return order


@given(arrivals("events", "near"))
def test_nearest_takes_each_message_once_and_within_the_window(
    case: tuple[dict[str, list[int]], list[Block], list[Block]],
) -> None:
    streams, one, other = case
    formed = Case(streams, NEAREST).feed(one).close()
    assert formed.events == Case(streams, NEAREST).feed(other).close().events
    assert [parts[0] for _, _, parts in formed.events] == list(range(1, len(streams["events"]) + 1))
    taken = [parts[1] for _, _, parts in formed.events if parts[1] is not None]
    assert len(set(taken)) == len(taken)
    for _, _, (event, near) in formed.events:
        at = streams["events"][event - 1]
        distances = np.abs(np.array(streams["near"]) - at)
        if near is not None:
            assert distances[near - 1] == distances.min() <= 2
    assert formed.entry("near")[Account.JOINED] == len(taken)
    assert formed.entry("near")[Account.INCOMPLETE] == len(streams["near"]) - len(taken)


@pytest.mark.parametrize(
    ("events", "near"), [([10, 11, 16], [10, 12, 17]), ([0, 2, 9], [0, 4, 8])], ids=["as near", "too far"]
)
def test_what_is_nearest_stays_it_when_it_has_gone_to_another_event(events: list[int], near: list[int]) -> None:
    """The second event is as near to the first one's message as to any other, or nearer."""
    whole = Case(["events", "near"], NEAREST).feed([block("events", events), block("near", near)]).close()
    singly = Case(["events", "near"], NEAREST)
    for k in range(3):
        singly.feed([block("events", events[k : k + 1], k + 1), block("near", near[k : k + 1], k + 1)])
    assert singly.close().events == whole.events
    assert [parts[1] for _, _, parts in whole.events][1] is None


@given(arrivals("events", "slow"))
def test_hold_keeps_the_latest_value(case: tuple[dict[str, list[int]], list[Block], list[Block]]) -> None:
    streams, one, other = case
    formed = Case(streams, HOLD).feed(one).close()
    assert formed.events == Case(streams, HOLD).feed(other).close().events
    for _, _, (event, held) in formed.events:
        earlier = [k for k, at in enumerate(streams["slow"], 1) if at <= streams["events"][event - 1]]
        assert held == (earlier[-1] if earlier else None)
    entry = formed.entry("slow")
    used = {held for _, _, (_, held) in formed.events} - {None}
    assert entry[Account.JOINED] == len(used)
    assert entry[Account.DROPPED] == len(streams["slow"]) - len(used)


@given(arrivals("events", "samples"))
def test_ranges_go_from_one_event_to_the_next(case: tuple[dict[str, list[int]], list[Block], list[Block]]) -> None:
    streams, one, other = case
    formed = Case(streams, RANGE).feed(one).close()
    assert formed.events == Case(streams, RANGE).feed(other).close().events
    for k, (_, _, (event, samples)) in enumerate(formed.events):
        start = streams["events"][event - 1]
        stop = streams["events"][event] if k + 1 < len(formed.events) else 10**9
        inside = tuple(n for n, at in enumerate(streams["samples"], 1) if start <= at < stop)
        assert samples == (inside or None)


def test_drop_keeps_only_events_that_have_everything() -> None:
    case = Case(["a", "b"], JoinRule(by="timestamp", window_ms=1, incomplete="drop"))
    case.feed([block("a", [0, 10, 20]), block("b", [0, 20])]).close()
    assert case.events == [("DATA", 0, (1, 1)), ("DATA", 1, (3, 2))]
    assert case.entry("a")[Account.INCOMPLETE] == 1


def test_an_event_waits_hold_wait_s_for_a_newer_value_and_no_longer() -> None:
    rule = JoinRule(by="timestamp", hold=("slow",), hold_wait_s=0.1, wait_s=2)
    case = Case(["a", "slow"], rule).feed([block("slow", [0]), block("a", [5])], now=1000 * MS)
    assert case.events == []
    assert case.builder.next_deadline() == 1100 * MS
    assert case.tick(1100 * MS).events == [("DATA", 0, (1, 1))]
    case.check_books()
