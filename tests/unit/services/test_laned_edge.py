"""What a consumer by lanes is given next, and what is given up when there is no room."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.services.strands.laned_edge import LanedEdge

Policy = Literal["block", "drop_newest", "drop_oldest", "sample"]
DROPPING: list[Policy] = ["drop_newest", "drop_oldest", "sample"]


def laned(when_full: Policy = "block", capacity: int = 4, lanes: int = 2) -> LanedEdge:
    names = {name: f"{name} → c" for name in ("high", "mid", "low")[-lanes:]}
    found = LanedEdge("→ c", names, capacity=capacity, when_full=when_full)
    for edge in found.edges:
        edge.join()
    return found


def put(edge: LanedEdge, rank: int, *items: int) -> None:
    for item in items:
        edge.edges[rank].put(item)
        if edge.edges[rank].hungry:
            edge.edges[rank].wake()


def test_the_highest_lane_that_has_something_is_taken() -> None:
    edge = laned()
    put(edge, 1, 10, 11)
    put(edge, 0, 1, 2)
    assert (len(edge), edge.take(), edge.take(), edge.take()) == (4, [1, 2], [10, 11], [])
    assert edge.taken == 4


def test_whoever_works_on_a_lower_lane_hears_of_a_higher_one_and_gives_the_rest_back() -> None:
    edge = laned()
    told: list[str] = []
    edge.on_urgent = lambda: told.append("urgent")
    put(edge, 1, 10, 11, 12)
    assert edge.take() == [10, 11, 12]
    put(edge, 1, 13)
    assert (told, edge.is_overtaken) == ([], False)
    put(edge, 0, 1)
    assert (told, edge.is_overtaken) == (["urgent"], True)
    edge.put_back([11, 12])
    assert edge.take() == [1]
    assert edge.take() == [11, 12, 13]
    assert (edge.taken, len(edge)) == (5, 0)


def test_a_full_low_lane_leaves_the_high_one_its_room() -> None:
    edge = laned(capacity=3)
    put(edge, 1, *range(3))
    low, high = edge.edges[1], edge.edges[0]
    assert (low.room, high.room, edge.capacity) == (0, 3, 6)


def test_it_waits_for_all_lanes_and_ends_with_the_last() -> None:
    edge = laned()
    woken: list[int] = []
    assert edge.when_any(lambda: woken.append(0))
    put(edge, 1, 1)
    assert woken == [0]
    assert not edge.when_any(lambda: woken.append(1))
    assert edge.take() == [1]
    ended = [edge.has_ended]
    edge.edges[0].leave()
    ended.append(edge.has_ended)
    assert edge.when_any(lambda: woken.append(2))
    edge.edges[1].leave()
    assert woken[-1] == 2
    assert [*ended, edge.has_ended] == [False, False, True]
    assert not edge.when_any(lambda: woken.append(3))


@pytest.mark.parametrize(
    ("when_full", "low", "low_dropped"),
    [("drop_newest", [0, 1], 2), ("drop_oldest", [2, 3], 2), ("sample", [1, 3], 2)],
)
def test_the_lowest_lane_gives_up_first(when_full: Policy, low: list[int], low_dropped: int) -> None:
    edge = laned(when_full)
    put(edge, 1, 0, 1, 2, 3)
    put(edge, 0, 100, 101)
    assert [list(each.items) for each in edge.edges] == [[100, 101], low]
    assert [each.dropped for each in edge.edges] == [0, low_dropped]


@pytest.mark.parametrize("when_full", DROPPING)
def test_the_high_lane_gives_up_when_nothing_lower_is_left(when_full: Policy) -> None:
    edge = laned(when_full)
    put(edge, 1, 0, 1)
    put(edge, 0, *range(100, 106))
    put(edge, 1, 2)
    assert not edge.edges[1].items
    assert edge.edges[1].dropped == 3
    assert edge.edges[0].dropped > 0
    assert edge.capacity == 4


@given(
    when_full=st.sampled_from(DROPPING),
    acts=st.lists(st.tuples(st.sampled_from(["put", "put", "put", "take"]), st.integers(0, 2)), max_size=120),
)
def test_nothing_higher_is_given_up_while_something_lower_waits(when_full: Policy, acts: list[tuple[str, int]]) -> None:
    edge = laned(when_full, capacity=7, lanes=3)
    put_by, taken = [0, 0, 0], [list[int](), [], []]
    for number, (what, rank) in enumerate(acts):
        before = [(len(each), each.dropped) for each in edge.edges]
        if what == "put":
            put(edge, rank, number)
            put_by[rank] += 1
        else:
            found = edge.take(2)
            taken[next((k for k, each in enumerate(before) if each[0]), 0)] += found
        assert len(edge) <= 7
        for k, (each, (_, dropped)) in enumerate(zip(edge.edges, before, strict=True)):
            if each.dropped > dropped:
                assert not any(waiting for waiting, _ in before[max(k, rank) + 1 :])
    assert edge.seen() == (sum(put_by), len(edge), edge.dropped)
    for rank, each in enumerate(edge.edges):
        assert put_by[rank] == len(taken[rank]) + len(each) + each.dropped
        assert taken[rank] + list(each.items) == sorted(taken[rank] + list(each.items))
