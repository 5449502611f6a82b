"""A replayed merge gives what the recorded one gave, however its inputs are cut and whoever comes first."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Block, EventBatch, Kind, Ledger, Message
from penstock.core.event_log import EventLog
from penstock.core.log_records import Merged
from penstock.core.result_range import ResultRange
from penstock.pipeline.plan import MergePlan
from penstock.services.flow import Flow, numbers_of
from penstock.services.merge_room import MergeRoom
from penstock.services.replayed_merge import ReplayedMerge

PLAN = MergePlan(name="m", streams=("a", "b"))


class Reader:
    """Keeps what it is given, row by row."""

    name = "reader"

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.is_closed = False

    def take(self, flow: Flow, producer: str, now: int) -> None:
        assert producer == "m"
        if isinstance(flow, Block):
            self.rows += [(int(flow.kind), message.id, message.key) for message in flow.messages()]
        elif isinstance(flow, ResultRange):
            assert flow.values is not None
            self.rows += list(zip(numbers_of(flow).tolist(), flow.values, strict=True))

    def close(self, producer: str, now: int) -> None:
        self.is_closed = True


def block(first: int, n: int, kind: Kind = Kind.DATA) -> Block:
    return Block.of("any", [Message(kind=kind, key=first + k) for k in range(n)], first)


def results(first: int, n: int) -> ResultRange:
    numbers = np.arange(first, first + n)
    return ResultRange(stage="any", numbers=numbers, values=[f"result {k}" for k in numbers.tolist()])


SIZES = st.lists(st.integers(1, 5), max_size=6)


@given(of_a=SIZES, of_b=SIZES, dice=st.randoms(use_true_random=False), is_of_results=st.booleans())
def test_any_cut_and_any_order_of_arrival_gives_the_same(
    of_a: list[int], of_b: list[int], dice: Any, is_of_results: bool
) -> None:
    sizes = {"a": of_a, "b": of_b}
    log, live = EventLog(), Reader()
    room = MergeRoom(PLAN, Ledger(), log)
    room.outlet.rooms.append(live)
    _feed(room, {name: _flows(cut, is_of_results=is_of_results) for name, cut in sizes.items()}, dice)
    turns = [record for record in log.take() if isinstance(record, Merged)]
    again, ledger = Reader(), Ledger()
    replayed = ReplayedMerge(PLAN, ledger, turns)
    replayed.outlet.rooms.append(again)
    other = {name: _cut_otherwise(cut, dice) for name, cut in sizes.items()}
    _feed(replayed, {name: _flows(cut, is_of_results=is_of_results) for name, cut in other.items()}, dice)
    assert again.rows == live.rows
    assert again.is_closed
    assert not ledger.in_flight


def _flows(sizes: list[int], *, is_of_results: bool) -> list[Flow]:
    """Return flows of some sizes; messages with a start before and an end behind them."""
    found: list[Flow] = [] if is_of_results else [block(1, 1, Kind.START)]
    at = 2
    for n in sizes:
        found.append(results(at, n) if is_of_results else block(at, n))
        at += n
    return found if is_of_results else [*found, block(at, 1, Kind.END)]


def _cut_otherwise(sizes: list[int], dice: Any) -> list[int]:
    left, found = sum(sizes), []
    while left:
        found.append(dice.randint(1, left))
        left -= found[-1]
    return found


def _feed(room: MergeRoom, flows: dict[str, list[Flow]], dice: Any) -> None:
    left = {name: list(own) for name, own in flows.items()}
    while left:
        name = dice.choice(sorted(left))
        if left[name]:
            room.take(left[name].pop(0), name, 0)
        else:
            del left[name]
            room.close(name, 0)


def test_what_is_behind_the_last_turn_is_discarded() -> None:
    ledger, reader = Ledger(), Reader()
    room = ReplayedMerge(PLAN, ledger, [Merged(merge="m", stream="b", count=2)])
    room.outlet.rooms.append(reader)
    room.take(block(1, 3), "a", 0)
    room.take(block(1, 1), "b", 0)
    assert (room.turn, room.waiting("a")) == ("b", 3)
    room.close("a", 0)
    room.take(block(2, 3), "b", 0)
    was_closed = reader.is_closed
    room.close("b", 0)
    assert (was_closed, reader.is_closed) == (False, True)
    assert reader.rows == [(0, 1, 1), (0, 2, 2)]
    assert not ledger.in_flight
    assert ledger.entry("a", "m")[Account.DISCARDED] == 3
    assert ledger.entry("b", "m")[Account.DISCARDED] == 2


def test_events_are_merged_too() -> None:
    batch = EventBatch(join="scan", names=(), numbers=np.arange(3), parts=())
    reader: list[Any] = []

    class Takes(Reader):
        def take(self, flow: Flow, producer: str, now: int) -> None:
            reader.append(numbers_of(flow).tolist())

    turns = [Merged(merge="m", stream=stream, count=count) for stream, count in (("a", 2), ("b", 3), ("a", 1))]
    room = ReplayedMerge(PLAN, Ledger(), turns)
    room.outlet.rooms.append(Takes())
    room.take(batch, "a", 0)
    room.take(batch, "b", 0)
    assert reader == [[0, 1], [2, 3, 4], [5]]
