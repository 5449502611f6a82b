"""The pools a process writes: told before they are used, grown when too small, given back when all has come back."""

import os
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import PenstockError, StateError
from penstock.services.own_pools import LEAST_SLOT_BYTES, OwnPools
from penstock.wire.envelopes import Free, PoolGone, PoolMade
from penstock.wire.slots import Slot

PAGE = os.sysconf("SC_PAGESIZE")


class Told:
    """Pools of three slots, and what others were told of them."""

    def __init__(self, generation: int = 1, count: int = 3) -> None:
        self.said: list[tuple[str, int]] = []
        self.bytes: list[int] = []
        self.pools = OwnPools("w results", count, generation, self.hear)

    def hear(self, what: PoolMade | PoolGone, fds: tuple[int, ...]) -> None:
        if isinstance(what, PoolMade):
            (fd,) = fds
            assert os.fstat(fd).st_size == what.slots * what.slot_bytes
            self.bytes.append(what.slot_bytes)
        else:
            assert fds == ()
        self.said.append((type(what).__name__, what.generation))

    def lend(self) -> Slot:
        found = self.pools.lend()
        assert found is not None
        return found

    def free(self, *slots: Slot) -> None:
        for slot in slots:
            self.pools.take_back(Free(slot.generation, (slot.index,)))


@pytest.fixture
def told() -> Iterator[Told]:
    found = Told()
    yield found
    found.pools.close()


def test_there_is_none_before_it_is_needed(told: Told) -> None:
    assert (told.pools.slot_bytes, told.pools.free, told.pools.lent) == (0, 3, 0)
    assert told.pools.lend() is None
    assert told.said == []


def test_others_hear_of_a_pool_before_any_slot_of_it_is_out(told: Told) -> None:
    told.pools.fit(100)
    assert told.said == [("PoolMade", 1)]
    assert told.pools.slot_bytes == told.bytes[0] >= LEAST_SLOT_BYTES
    slots = [told.lend() for _ in range(3)]
    assert {slot.index for slot in slots} == {0, 1, 2}
    assert {(slot.pool, slot.generation) for slot in slots} == {("w results", 1)}
    assert (told.pools.lend(), told.pools.free, told.pools.lent) == (None, 0, 3)


def test_what_fits_makes_no_new_pool(told: Told) -> None:
    told.pools.fit(100)
    told.pools.fit(told.pools.slot_bytes)
    assert told.said == [("PoolMade", 1)]
    told.pools.fit(told.pools.slot_bytes + 1)
    assert told.said[:2] == [("PoolMade", 1), ("PoolMade", 2)]
    assert told.bytes[1] == told.bytes[0] + PAGE


def test_a_pool_of_which_nothing_is_out_goes_when_a_larger_one_has_come(told: Told) -> None:
    told.pools.fit(1)
    told.pools.fit(3 << 20)
    assert told.said == [("PoolMade", 1), ("PoolMade", 2), ("PoolGone", 1)]


def test_an_older_pool_stays_until_all_of_it_came_back(told: Told) -> None:
    told.pools.fit(1)
    first, second = told.lend(), told.lend()
    view = told.pools.memory(first)
    view[:2] = [7, 8]
    told.pools.fit(3 << 20)
    third = told.lend()
    assert (first.generation, second.generation, third.generation) == (1, 1, 2)
    assert told.pools.memory(first)[:2].tolist() == [7, 8]
    told.free(first)
    assert told.said == [("PoolMade", 1), ("PoolMade", 2)]
    told.free(second)
    assert told.said[2:] == [("PoolGone", 1)]
    assert (told.pools.free, told.pools.lent) == (2, 1)


def test_it_can_grow_by_slots_alone(told: Told) -> None:
    told.pools.grow()
    held = [told.lend() for _ in range(3)]
    told.pools.grow()
    assert told.lend().generation == 2
    assert told.bytes[0] == told.bytes[1]
    told.free(*held)
    assert told.said[-1] == ("PoolGone", 1)


def test_a_slot_that_nobody_was_told_of_is_given_up(told: Told) -> None:
    told.pools.fit(1)
    slot = told.lend()
    told.pools.give_up(slot)
    assert (told.pools.free, told.lend()) == (3, slot)


@pytest.mark.parametrize("twice", [False, True])
def test_what_is_not_out_cannot_come_back(twice: bool, told: Told) -> None:
    told.pools.fit(1)
    slot = told.lend()
    if twice:
        told.free(slot)
    other = slot if twice else Slot("w results", 1, 2)
    with pytest.raises(StateError, match="which was not out"):
        told.free(other)
    assert told.pools.free == (3 if twice else 2)


def test_a_pool_that_is_no_more_gets_nothing_back(told: Told) -> None:
    told.pools.fit(1)
    with pytest.raises(StateError, match="generation 7"):
        told.pools.take_back(Free(7, (0,)))


def test_a_successors_pools_are_numbered_above() -> None:
    told = Told(generation=1_000_001)
    told.pools.fit(1)
    told.pools.grow()
    assert [generation for _, generation in told.said] == [1_000_001, 1_000_002, 1_000_001]
    told.pools.close()


def test_no_room_is_said_with_numbers_and_changes_nothing(told: Told) -> None:
    told.pools.fit(1)
    held = told.lend()
    with pytest.raises(PenstockError, match="no room for 3 slots"):
        told.pools.fit(1 << 60)
    assert told.said == [("PoolMade", 1)]
    told.free(held)
    assert told.pools.free == 3


def test_closed_it_lets_go_of_all_memory(told: Told) -> None:
    told.pools.fit(1)
    told.lend()
    told.pools.close()
    assert (told.pools.lend(), told.pools.lent, told.pools.slot_bytes) == (None, 0, 0)


@given(
    st.lists(st.sampled_from(["lend", "lend", "free", "grow", "larger"]), max_size=30),
    st.randoms(use_true_random=False),
)
def test_whatever_happens_slots_are_out_once_and_old_pools_go_with_their_last(steps: list[str], random: Random) -> None:
    told, out = Told(count=2), list[Slot]()
    told.pools.fit(1)
    for step in steps:
        if step == "lend":
            slot = told.pools.lend()
            assert (slot is None) == (len([s for s in out if s.generation == len(told.bytes)]) == 2)
            assert slot not in out
            out += [slot] if slot is not None else []
        elif step == "free" and out:
            told.free(out.pop(random.randrange(len(out))))
        elif len(told.bytes) < 4 and step != "free":
            told.pools.fit(told.pools.slot_bytes + 1) if step == "larger" else told.pools.grow()
        newest = len(told.bytes)
        alive = {newest, *(slot.generation for slot in out)}
        made = {generation for what, generation in told.said if what == "PoolMade"}
        gone = Counter(generation for what, generation in told.said if what == "PoolGone")
        assert set(gone) == made - alive
        assert set(gone.values()) <= {1}
        assert told.pools.lent == len(out)
    told.pools.close()
