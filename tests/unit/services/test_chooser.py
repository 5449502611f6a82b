"""The chooser gives what is wanted, in order, whatever comes first."""

from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.block import Block
from penstock.core.event import EventBatch, PartColumn
from penstock.core.message import Kind, Message
from penstock.core.result_range import ResultRange
from penstock.services.chooser import Chooser, Chosen, messages_of
from penstock.services.flow import numbers_of

N = 24


def messages(first: int, last: int, kind: Kind = Kind.DATA) -> Block:
    return Block.of("a", [Message(id=k, kind=kind) for k in range(first, last)])


def result(number: int) -> ResultRange:
    value = [{"ok": True}, {"ok": False}, {"other": 1}, None][number % 4]
    values = None if number % 8 == 7 else [value]
    return ResultRange(stage="s", numbers=np.array([number]), values=values)


@settings(max_examples=60)
@given(st.lists(st.integers(1, N - 1), unique=True), st.randoms(use_true_random=False))
def test_any_order_of_items_and_results(cuts: list[int], random: Random) -> None:
    bounds = [0, *sorted(cuts), N]
    flows = [messages(a, b) for a, b in pairwise(bounds)]
    told: list[object] = [result(k) for k in range(N)]
    random.shuffle(told)
    for _ in flows:  # in their order, anywhere among the results
        told.insert(random.randint(0, len(told)), None)
    chooser, found, at = Chooser("ok"), list[Chosen](), 0
    for each in told:
        if isinstance(each, ResultRange):
            chooser.learn(each)
        else:
            chooser.hold(at, flows[at])
            at += 1
        found.extend(chooser.ready())
    assert [chosen.mark for chosen in found] == list(range(len(flows)))
    assert [n for c in found if c.flow is not None for n in numbers_of(c.flow).tolist()] == list(range(0, N, 4))
    assert sum(chosen.filtered for chosen in found) == N - N // 4
    assert chooser.first_held is None


def test_nothing_overtakes() -> None:
    chooser = Chooser("ok")
    for mark, flow in enumerate([messages(0, 1, Kind.START), messages(0, 1), messages(4, 5)]):
        chooser.hold(mark, flow)
    chooser.learn(result(4))
    assert [chosen.mark for chosen in chooser.ready()] == [0]
    assert chooser.first_held == 1
    chooser.learn(result(0))
    assert [chosen.mark for chosen in chooser.ready()] == [1, 2]


def test_one_stream_of_events() -> None:
    batch = EventBatch(
        join="scan", names=("a", "b"), numbers=np.arange(2),
        parts=(PartColumn(block=messages(7, 9), rows=slice(0, 2)), PartColumn(block=None)),
    )  # fmt: skip
    chooser = Chooser("ok", "a")
    chooser.hold(0, batch)
    chooser.learn(ResultRange(stage="s", numbers=np.arange(2), values=[{"ok": False}, {"ok": 1.5}]))
    (chosen,) = chooser.ready()
    assert isinstance(chosen.flow, EventBatch)
    assert chosen.flow.names == ("a",)
    found = messages_of(chosen.flow)
    assert isinstance(found, Block)
    assert found.ids.tolist() == [8]


def test_what_is_true() -> None:
    values = [1, 0, "yes", True, np.bool_(True), None, np.ones(2), float("nan")]
    chooser = Chooser("ok")
    chooser.hold(0, messages(0, len(values)))
    named = [{"ok": value} for value in values]
    chooser.learn(ResultRange(stage="s", numbers=np.arange(len(values)), values=named))
    (chosen,) = chooser.ready()
    assert chosen.flow is not None
    assert numbers_of(chosen.flow).tolist() == [0, 3, 4]
