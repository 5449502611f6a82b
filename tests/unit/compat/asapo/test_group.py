"""ASAPO's rules of groups, on the state of our own."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.asapo import group as rules
from penstock.core.group import GroupState
from penstock.core.group_record import GroupRules
from penstock.core.id_set import IdSet

MS = 1_000_000


def there(*ids: int) -> IdSet:
    found = IdSet()
    for number in ids:
        found.add(number)
    return found


def read(
    state: GroupState,
    present: IdSet,
    now_ms: int = 0,
    resend_ms: int | None = None,
    attempts: int = 0,
    first: int = 1,
) -> rules.Given:
    return rules.give_next(state, present, now_ms * MS, first_id=lambda: first, resend_ms=resend_ms, attempts=attempts)


@given(st.sets(st.integers(1, 30), max_size=20))
def test_each_id_is_given_once_in_order_and_each_hole_told_once(ids: set[int]) -> None:
    state, present = GroupState(), there(*ids)
    found = []
    while (given := read(state, present)).id:
        found.append((given.id, given.is_hole))
    assert found == [(number, number not in ids) for number in range(1, max(ids, default=0) + 1)]
    assert not rules.is_owed(state)


def test_ids_that_can_never_come_are_passed_over_one_by_one() -> None:
    state, present = GroupState(), there(1)
    assert read(state, present).id == 1
    assert [rules.pass_over(state, 2, 3) for _ in range(3)] == [2, 3, 0]
    assert read(state, there(1, 2, 3, 4)).id == 4
    state.seek(2)
    assert rules.pass_over(state, 2, 3) == 3


def test_what_was_removed_is_passed_over_in_silence() -> None:
    state = GroupState()
    assert read(state, there(100, 101), first=100) == rules.Given(100)


def test_what_our_own_members_have_is_not_given() -> None:
    state, present = GroupState(), there(1, 2, 3, 4)
    state.join("ours", GroupRules(), 0, lease_ns=1000 * MS)
    assert state.claim("ours", present, 0, size=2, lease_ns=1000 * MS).ids == [(1, 2)]
    assert read(state, present).id == 3
    assert state.claim("ours", present, 0, size=9, lease_ns=1000 * MS).ids == [(4, 4)]
    assert read(state, present).id == 0
    assert rules.is_owed(state)
    assert read(state, present, 2000).id == 1  # the other was not heard of


def test_what_is_leased_comes_again_until_its_attempts_are_over() -> None:
    state, present = GroupState(), there(1, 2)
    found = [read(state, present, now, 10, 2).id for now in (0, 1, 2, 11, 12, 22, 23, 34, 35)]
    assert found == [1, 2, 0, 1, 2, 1, 2, 0, 0]
    assert [letter.ids for letter in state.record.dead] == [[(1, 2)]]


def test_many_that_are_not_acknowledged_are_few_leases() -> None:
    state, present = GroupState(), IdSet()
    present.add_range(1, 5000)
    for number in range(1, 5001):
        assert read(state, present, number // 6, 1000).id == number
    assert len(state.record.leases) < 200
    rules.settle(state, 1000)
    assert [read(state, present, 1300, 1000).id for _ in range(3)] == [1, 2, 3]
    found = {read(state, present, 3000, 1000).id for _ in range(4999)}
    assert found == set(range(1, 5001)) - {1000}


def test_what_is_done_comes_no_more_and_what_is_refused_once() -> None:
    state, present = GroupState(), there(1, 2)
    assert [read(state, present, 0, 10).id for _ in range(2)] == [1, 2]
    rules.settle(state, 1)
    assert [read(state, present, 20).id for _ in range(2)] == [2, 0]
    rules.refuse(state, 1, 20 * MS, delay_ms=5)
    assert rules.next_due_ns(state) == 25 * MS
    assert [read(state, present, now).id for now in (24, 25, 26)] == [0, 1, 0]
    rules.refuse(state, 7, 30 * MS, delay_ms=0)  # it is not there
    assert read(state, present, 30).id == 0
    assert not rules.is_owed(state)


def test_settling_what_nobody_was_given_keeps_it_from_nobody() -> None:
    state, present = GroupState(), there(1)
    rules.settle(state, 1)
    assert read(state, present).id == 1
