"""Who has which items, and in which order they go on: whoever answers, gives back and dies, and whenever."""

from itertools import chain
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import StateError
from penstock.services.strands.shares import Shares, Suspect

Order = Literal["kept", "free"]
TRIPS = 3


def gone_on(shares: Shares) -> list[Any]:
    return list(chain.from_iterable(shares.take_ready()))


def test_order_is_kept_or_free() -> None:
    for order, first in (("kept", []), ("free", ["b"])):
        shares = Shares(2, order=order)  # type: ignore[arg-type]  # one of the two
        shares.add(["a", "b"])
        assert shares.give(0, 1) == ["a"]
        assert shares.give(1, 5) == ["b"]
        shares.answer(1, ["b"])
        assert gone_on(shares) == first
        shares.answer(0, ["a"])
        assert sorted([*first, *gone_on(shares)]) == ["a", "b"]
        assert shares.in_flight == 0


def test_a_span_is_answered_in_pieces() -> None:
    shares = Shares(1, order="kept")
    shares.add([1, 2, 3, 4])
    shares.give(0, 3)
    shares.answer(0, ["1", "2"])
    assert (shares.has(0), shares.waiting, shares.in_flight) == (1, 1, 4)
    assert gone_on(shares) == ["1", "2"]
    assert shares.in_flight == 2


def test_what_comes_back_goes_first() -> None:
    shares = Shares(2, order="kept")
    shares.add([1, 2, 3, 4])
    shares.give(0, 3)
    shares.take_back(0, 2)
    assert shares.give(1, 3) == [2, 3, 4]


def test_who_dies_on_an_item_is_known_by_it() -> None:
    shares = Shares(1, order="kept")
    shares.add([10, 11, 12])
    for deaths in (1, 2):
        shares.give(0, 3)
        suspect = shares.lose(0, 1)
        assert suspect == Suspect(1, 11, deaths)
        shares.again(suspect)
    shares.give(0, 3)
    suspect = shares.lose(0, 1)
    assert suspect is not None
    shares.give_up(suspect, "dead")
    assert shares.give(0, 9) == [10, 12]
    shares.answer(0, [10, 12])
    assert gone_on(shares) == [10, "dead", 12]


def test_a_death_between_items_suspects_none() -> None:
    shares = Shares(1, order="kept")
    shares.add([1, 2])
    shares.give(0, 2)
    assert shares.lose(0) is None
    assert shares.give(0, 2) == [1, 2]


def test_who_comes_later_works_as_well_and_who_has_something_cannot_leave() -> None:
    shares = Shares(1, order="kept")
    shares.join(7)
    shares.add([1, 2, 3])
    assert (shares.give(0, 1), shares.give(7, 2)) == ([1], [2, 3])
    with pytest.raises(StateError, match="worker 7 has 2 items and cannot leave"):
        shares.leave(7)
    shares.take_back(7, 2)
    shares.leave(7)
    with pytest.raises(KeyError):
        shares.has(7)
    assert shares.give(0, 9) == [2, 3]


def test_what_nobody_has_can_be_given_up_in_its_place() -> None:
    shares = Shares(1, order="kept")
    shares.add([1, 2, 3, 4])
    assert shares.give(0, 2) == [1, 2]
    assert shares.discard("gone") == [2]
    assert shares.discard("gone") == [0]
    assert (shares.waiting, shares.in_flight, gone_on(shares)) == (0, 4, [])
    shares.answer(0, ["1", "2"])
    assert gone_on(shares) == ["1", "2", "gone", "gone"]
    shares.add([5])
    assert shares.give(0, 1) == [5]
    shares.answer(0, ["5"])
    assert gone_on(shares) == ["5"]
    assert shares.in_flight == 0


def test_nobody_answers_for_what_they_do_not_have() -> None:
    shares = Shares(1, order="kept")
    shares.add([1, 2])
    shares.give(0, 1)
    with pytest.raises(StateError, match="answers for 2 items and has 1"):
        shares.answer(0, [1, 2])
    with pytest.raises(StateError, match="gives 2 items back and has 1"):
        shares.take_back(0, 2)
    shares.answer(0, [1])
    assert gone_on(shares) == [1]


WORKERS = 3
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["add", "give", "give", "answer", "answer", "back", "die", "die idle", "refuse", "take"]),
        st.integers(0, WORKERS - 1),
        st.integers(1, 7),
    ),
    max_size=80,
)


@given(order=st.sampled_from(["kept", "free"]), acts=ACTS)
def test_every_item_goes_on_once_whoever_dies(order: Order, acts: list[tuple[str, int, int]]) -> None:  # noqa: C901 - a case an act
    shares = Shares(WORKERS, order=order)
    added, went = 0, list[Any]()
    has: list[list[int]] = [[] for _ in range(WORKERS)]
    deaths: dict[int, int] = {}

    def act(what: str, worker: int, n: int) -> None:
        nonlocal added
        mine = has[worker]
        match what:
            case "add":
                shares.add(list(range(added, added + n)))
                added += n
            case "give":
                mine += shares.give(worker, n)
            case "answer":
                shares.answer(worker, mine[:n])
                del mine[:n]
            case "back" if mine:
                n = min(n, len(mine))
                shares.take_back(worker, n)
                del mine[-n:]
            case "die" if mine:
                at = min(n, len(mine)) - 1
                item = mine[at]
                deaths[item] = deaths.get(item, 0) + 1
                suspect = shares.lose(worker, at)
                assert suspect is not None
                assert (suspect.item, suspect.deaths) == (item, deaths[item])
                mine.clear()
                if suspect.deaths < TRIPS:
                    shares.again(suspect)
                else:
                    del deaths[item]
                    shares.give_up(suspect, item)
            case "die idle":
                assert shares.lose(worker) is None
                mine.clear()
            case "refuse" if shares.waiting:
                (item,) = shares.give(worker, 1)
                deaths.pop(item, None)
                shares.answer_last(worker, item)
            case "take":
                went.extend(gone_on(shares))
        assert shares.has(worker) == len(mine)
        assert shares.waiting + sum(map(len, has)) <= shares.in_flight

    for each in acts:
        act(*each)
    while shares.waiting or any(has):
        for worker in range(WORKERS):
            act("give", worker, 5)
            act("answer", worker, 5)
    went += gone_on(shares)
    assert shares.in_flight == 0
    assert (went if order == "kept" else sorted(went)) == list(range(added))


LANED = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "give", "give", "answer", "answer", "back", "die", "take"]),
        st.integers(0, WORKERS - 1),
        st.integers(1, 5),
        st.integers(0, 2),
    ),
    max_size=80,
)


def test_urgent_lanes_are_given_first_and_a_span_is_of_one_lane() -> None:
    shares = Shares(2, order="kept", lanes=2)
    shares.add(["l0", "l1", "l2"], 1)
    assert shares.give(0, 2) == ["l0", "l1"]
    assert (shares.keeps_back(0, 0), shares.keeps_back(0, 1), shares.lane_of(0)) == (True, False, 1)
    shares.add(["h0"], 0)
    shares.take_back(0, 1)
    assert not shares.keeps_back(0, 0)
    assert shares.give(0, 9) == ["h0"]
    assert (shares.lane_of(0), shares.lane_of(0, -1), shares.waiting_by) == (1, 0, [0, 2])
    shares.answer(0, ["L0", "H0"])
    assert (shares.take_ready(0), shares.take_ready(1)) == ([["H0"]], [["L0"]])
    assert shares.in_flight_by == [0, 2]


@given(order=st.sampled_from(["kept", "free"]), acts=LANED)
def test_lanes_keep_their_order_and_lose_nothing(order: Order, acts: list[tuple[str, int, int, int]]) -> None:  # noqa: C901 - a case an act
    shares = Shares(WORKERS, order=order, lanes=3)
    added = [0, 0, 0]
    went: list[list[Any]] = [[], [], []]
    has: list[list[tuple[int, int]]] = [[] for _ in range(WORKERS)]
    waits: list[list[tuple[int, int]]] = [[], [], []]

    def give(worker: int, n: int) -> None:
        found = shares.give(worker, n)
        has[worker] += found
        if found:
            lane = found[0][0]
            assert not any(waits[:lane]), "of a lower lane is given what the higher ones leave"
            assert found == sorted(waits[lane])[: len(found)]
            waits[lane] = sorted(waits[lane])[len(found) :]

    for what, worker, n, lane in acts:
        mine = has[worker]
        if what == "add":
            items = [(lane, added[lane] + k) for k in range(n)]
            added[lane] += n
            waits[lane] += items
            shares.add(list(items), lane)
        elif what == "give":
            give(worker, n)
        elif what == "answer":
            shares.answer(worker, mine[:n])
            del mine[:n]
        elif what == "take":
            went[lane] += gone_on_by(shares, lane)
        elif mine:
            back = mine[-min(n, len(mine)) :] if what == "back" else list(mine)
            if what == "back":
                shares.take_back(worker, len(back))
            else:
                suspect = shares.lose(worker, len(mine) - 1)
                assert suspect is not None
                assert (suspect.lane, suspect.number) == mine[-1]
                shares.again(suspect)
            del mine[len(mine) - len(back) :]
            for item in back:
                waits[item[0]].append(item)
        assert shares.waiting_by == [len(each) for each in waits]
        assert shares.keeps_back(worker, 0) == any(item[0] > 0 for item in has[worker][1:])
    while shares.waiting or any(has):
        for worker in range(WORKERS):
            give(worker, 5)
            shares.answer(worker, has[worker])
            has[worker].clear()
    for lane in range(3):
        went[lane] += gone_on_by(shares, lane)
        wanted = [(lane, number) for number in range(added[lane])]
        assert (went[lane] if order == "kept" else sorted(went[lane])) == wanted
    assert shares.in_flight == 0


def gone_on_by(shares: Shares, lane: int) -> list[Any]:
    return list(chain.from_iterable(shares.take_ready(lane)))
