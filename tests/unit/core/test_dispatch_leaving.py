"""Workers that leave, turns of idle ones, fresh constraints that come again: who gets what, and who nothing more."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.binder import bind
from penstock.core.binding import UNBOUND, Binding
from penstock.core.dispatch import Dispatcher
from penstock.core.lease import Lease
from penstock.core.routes import ALL, Routes
from penstock.errors import StateError

Batch = tuple[int, ...]


def numbers(lease: Lease[Batch]) -> list[int]:
    return [int(n) for n in np.array(lease.batch)[lease.rows]]


def routes(*constraints: int) -> Routes:
    return Routes(constraint=np.array([constraints], np.int64))


def workers(names: str, credit: int = 2, max_rows: int = 4096) -> Dispatcher[Batch]:
    dispatcher: Dispatcher[Batch] = Dispatcher(max_rows=max_rows)
    for name in names:
        dispatcher.join(name, credit=credit)
    return dispatcher


def finished(dispatcher: Dispatcher[Batch]) -> list[tuple[str, list[int]]]:
    """Lend and take back until nothing more is lent; return who was lent what."""
    found = []
    while leases := dispatcher.assign(0).leases:
        for lease in leases:
            dispatcher.done(lease.id, 1000)
            found.append((lease.worker, numbers(lease)))
    return found


def test_who_is_to_leave_is_lent_nothing_more_and_keeps_what_it_has() -> None:
    dispatcher = workers("ab", credit=3)
    dispatcher.submit((0,))
    dispatcher.submit((1,))
    one, other = dispatcher.assign(0).leases
    assert (one.worker, other.worker) == ("a", "b")
    dispatcher.retire("a")
    dispatcher.submit(tuple(range(2, 100)))
    lent = dispatcher.assign(0).leases
    assert {lease.worker for lease in lent} == {"b"}
    assert dispatcher.leases_of("a") == 1
    assert dispatcher.leases_of("b") == 1 + len(lent) == 3
    assert dispatcher.done(one.id, 10) is one
    assert dispatcher.leases_of("a") == 0
    lost = dispatcher.lost("a")
    assert (lost.leases, lost.copies) == ([], [])


def test_without_anybody_else_rows_wait_for_whoever_comes() -> None:
    dispatcher = workers("a")
    dispatcher.retire("a")
    dispatcher.submit((0, 1))
    assert not finished(dispatcher)
    assert dispatcher.waiting == 2
    dispatcher.join("b")
    assert [(worker, n) for worker, each in finished(dispatcher) for n in each] == [("b", 0), ("b", 1)]
    assert dispatcher.waiting == 0


def test_nobody_can_leave_who_is_not_there() -> None:
    with pytest.raises(StateError, match="worker c does not take part; there are a, b"):
        workers("ab").retire("c")
    with pytest.raises(StateError, match="there are none"):
        workers("").retire("a")
    assert workers("a").leases_of("c") == 0


def test_what_was_held_for_who_leaves_goes_to_others_in_its_order() -> None:
    dispatcher = workers("a", credit=1, max_rows=2)
    dispatcher.submit(tuple(range(6)), routes(*[7] * 6))
    (lease,) = dispatcher.assign(0).leases
    dispatcher.join("b", credit=1)
    dispatcher.retire("a")
    dispatcher.done(lease.id, 1000)
    assert not finished(dispatcher)
    assert dispatcher.lost("a").leases == []
    assert [dispatcher.has_returned] == [True]
    assert [n for _, each in finished(dispatcher) for n in each] == [2, 3, 4, 5]
    assert [dispatcher.has_returned] == [False]


def test_copies_that_were_held_for_who_leaves_end_where_others_have_the_event() -> None:
    dispatcher = workers("ab", credit=1)
    dispatcher.submit((0,))
    (busy,) = dispatcher.assign(0).leases
    dispatcher.submit((1,), routes(ALL))
    assert [lease.worker for lease in dispatcher.assign(0).leases] == ["b"]
    dispatcher.retire("a")
    dispatcher.done(busy.id, 1000)
    lost = dispatcher.lost("a")
    assert (lost.leases, [numbers(copy) for copy in lost.copies]) == ([], [[1]])


def test_rows_of_the_dead_are_seen_as_waiting_until_they_are_lent() -> None:
    dispatcher = workers("ab", credit=1)
    dispatcher.submit((0,))
    (lease,) = dispatcher.assign(0).leases
    assert [dispatcher.has_returned] == [False]
    dispatcher.again(dispatcher.lost("a").leases[0])
    assert [dispatcher.has_returned] == [True]
    assert [(again.worker, numbers(again)) for again in dispatcher.assign(0).leases] == [("b", numbers(lease))]
    assert [dispatcher.has_returned] == [False]


class Changing:
    """A stage whose workers come and go in good order."""

    def __init__(self) -> None:
        self.dispatcher = workers("ab", max_rows=3)
        self.lent: dict[int, Lease[Batch]] = {}
        self.retired: set[str] = set()
        self.seen: Counter[int] = Counter()
        self.joined = 0

    def assign(self) -> None:
        for lease in self.dispatcher.assign(0).leases:
            assert lease.worker not in self.retired
            self.lent[lease.id] = lease

    def done(self) -> None:
        if self.lent:
            lease = self.lent.pop(min(self.lent))
            self.dispatcher.done(lease.id, 100)
            self.seen.update(numbers(lease))

    def retire(self) -> None:
        for name in sorted(set(self.dispatcher.workers) - self.retired)[:1]:
            self.dispatcher.retire(name)
            self.retired.add(name)

    def leave(self) -> None:
        for name in self.dispatcher.workers:
            if name in self.retired and not self.dispatcher.leases_of(name):
                lost = self.dispatcher.lost(name)
                assert (lost.leases, lost.copies) == ([], [])

    def join(self) -> None:
        self.joined += 1
        self.dispatcher.join(f"w{self.joined}")

    def finish(self) -> None:
        self.join()
        while self.dispatcher.waiting or self.lent:
            self.assign()
            self.done()
            self.leave()


ACTIONS = st.lists(st.sampled_from(["assign", "assign", "done", "retire", "leave", "join"]), max_size=40)


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=12), min_size=1, max_size=4), ACTIONS)
def test_everything_is_worked_on_once_whoever_leaves(batches: list[list[int]], actions: Sequence[str]) -> None:
    stage, base = Changing(), 0
    for constraints in batches:
        stage.dispatcher.submit(tuple(range(base, base + len(constraints))), routes(*constraints))
        base += len(constraints)
    for action in actions:
        getattr(stage, action)()
    stage.finish()
    assert stage.seen == Counter(range(base))


@pytest.mark.parametrize("has_routes", [False, True])
def test_of_idle_workers_the_one_that_has_waited_longest_is_next(has_routes: bool) -> None:
    dispatcher = workers("abc")
    turns = []
    for number in range(7):
        dispatcher.submit((number,), routes(number) if has_routes else None)
        ((worker, _),) = finished(dispatcher)
        turns.append(worker)
    assert turns == list("abcabca")


def test_who_has_less_is_before_who_has_waited_longer() -> None:
    dispatcher = workers("ab")
    dispatcher.submit((0,))
    dispatcher.submit((1,))
    first, second = dispatcher.assign(0).leases
    assert (first.worker, second.worker) == ("a", "b")
    dispatcher.done(second.id, 1000)
    dispatcher.submit((2,))
    assert [lease.worker for lease in dispatcher.assign(0).leases] == ["b"]


def test_a_successor_waits_its_turn() -> None:
    dispatcher = workers("ab")
    dispatcher.submit((0,))
    assert [worker for worker, _ in finished(dispatcher)] == ["a"]
    dispatcher.join("c")
    turns = []
    for number in range(4):
        dispatcher.submit((number,))
        turns += [worker for worker, _ in finished(dispatcher)]
    assert turns == ["b", "c", "a", "b"]


def bound(constraints: Sequence[int], room: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return the slot of each constraint after a window of fresh ones."""
    window, binding = routes(*constraints), Binding()
    slots = bind(window, np.full((1, len(constraints)), UNBOUND, np.int32), binding, lambda code: room)
    assert slots.tolist() == binding.find(window.constraint).tolist()
    return dict(zip(constraints, slots[0].tolist(), strict=True))


@given(st.integers(1, 30), st.integers(2, 5), st.integers(1, 6), st.booleans(), st.integers(1, 4096))
def test_constraints_that_come_again_are_spread_over_all(
    n: int, times: int, workers: int, is_sorted: bool, wanted: int
) -> None:
    constraints = list(range(n)) * times
    homes = bound(sorted(constraints) if is_sorted else constraints, [(slot, wanted) for slot in range(workers)])
    each = Counter(homes.values())
    assert max(each.values()) - min(each.get(slot, 0) for slot in range(workers)) <= 1
    runs = [homes[constraint] for constraint in range(n)]
    assert runs == sorted(runs)  # neighbours stay together


@given(st.integers(1, 40), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_constraints_that_come_once_fill_one_worker_after_the_other(n: int, wants: list[int]) -> None:
    homes = bound(range(n), list(enumerate(wants)))
    full = np.repeat(np.arange(len(wants)), wants)[:n].tolist()
    assert list(homes.values()) == full + [len(wants) - 1] * (n - len(full))


def test_few_pixels_of_many_shots_keep_all_workers_busy() -> None:
    dispatcher = workers("abcd")
    for name in "abcd":
        for _ in range(4):
            dispatcher.report(name, 4096, 1000)
    dispatcher.submit(tuple(range(4000)), routes(*(k % 8 for k in range(4000))))
    rows: Counter[str] = Counter()
    for worker, each in finished(dispatcher):
        rows[worker] += len(each)
    assert rows == dict.fromkeys("abcd", 1000)


def test_what_is_given_up_is_told_apart_by_whether_anybody_expects_it() -> None:
    dispatcher = workers("ab", credit=1, max_rows=2)
    dispatcher.submit(tuple(range(10)), routes(*[0] * 10))  # bound to one of them; the other one is idle
    dispatcher.submit((10, 11))
    assigned = dispatcher.assign(0)
    told = [int(n) for taken in assigned.taken for n in np.array(taken.batch)[taken.rows]]
    lent = [n for lease in assigned.leases for n in numbers(lease)]
    given_up = dispatcher.give_up()
    fresh = [n for lease in given_up.fresh for n in numbers(lease)]
    given = [n for lease in given_up.given for n in numbers(lease)]
    assert sorted(lent + given) == told
    assert given, "nothing was held for a busy worker"
    assert told + fresh == list(range(12))
    assert (dispatcher.waiting, dispatcher.has_waiting, given_up.taken) == (0, False, [])
    for lease in assigned.leases:
        dispatcher.done(lease.id, 10)
    dispatcher.submit((12, 13))
    assert [n for _, found in finished(dispatcher) for n in found] == [12, 13]


def test_what_came_back_from_the_dead_is_given_up_as_expected() -> None:
    dispatcher = workers("a", credit=1, max_rows=4)
    dispatcher.submit((0, 1, 2, 3, 4))
    dispatcher.assign(0)
    for lease in dispatcher.lost("a").leases:
        dispatcher.again(lease)
    given_up = dispatcher.give_up()
    assert [numbers(lease) for lease in given_up.given] == [[0, 1, 2, 3]]
    assert [numbers(lease) for lease in given_up.fresh] == [[4]]
    assert not dispatcher.has_returned


@given(
    st.lists(st.tuples(st.integers(1, 6), st.none() | st.integers(0, 2)), min_size=1, max_size=8),
    st.booleans(),
    st.integers(0, 3),
)
def test_the_oldest_batch_is_given_up_first_and_only_that(
    batches: list[tuple[int, int | None]], dies: bool, spared: int
) -> None:
    dispatcher = workers("ab", credit=1, max_rows=2)
    row, expected, lent, given_up = 0, set[int](), list[int](), list[int]()
    batch_of: dict[int, int] = {}
    for k, (n, constraint) in enumerate(batches):
        rows = tuple(range(row, row + n))
        batch_of |= dict.fromkeys(rows, k)
        row += n
        dispatcher.submit(rows, None if constraint is None else routes(*[constraint] * n))
        assigned = dispatcher.assign(0)
        expected |= {int(i) for taken in assigned.taken for i in np.array(taken.batch)[taken.rows]}
        lent += [i for lease in assigned.leases for i in numbers(lease)]
    if dies and "a" in dispatcher.workers:
        for lease in dispatcher.lost("a").leases:
            lent = [i for i in lent if i not in numbers(lease)]
            dispatcher.again(lease)
    while dispatcher.batches_waiting > spared:
        before = dispatcher.waiting
        found = dispatcher.give_up_oldest()
        fresh = [i for lease in found.fresh for i in numbers(lease)]
        given = [i for lease in found.given for i in numbers(lease)]
        assert len({batch_of[i] for i in fresh + given}) == 1
        assert dispatcher.waiting == before - len(fresh) - len(given)
        assert set(given) <= expected
        assert not expected.intersection(fresh)
        given_up += fresh + given
    assert [batch_of[i] for i in given_up] == sorted(batch_of[i] for i in given_up)
    up = dispatcher.give_up()
    rest = [i for lease in up.fresh + up.given for i in numbers(lease)]
    assert sorted(lent + given_up + rest) == list(range(row))
    assert not rest or not given_up or min(batch_of[i] for i in rest) > max(batch_of[i] for i in given_up)
