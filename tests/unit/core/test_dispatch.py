"""The dispatcher: everything is delivered once, in order, within credit, to whom its routes name."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.dispatch import Dispatcher
from penstock.core.lease import Lease
from penstock.core.routes import ALL, GENERIC, NOWHERE, Routes
from penstock.errors import StateError

Batch = tuple[int, ...]
"""Event numbers; the dispatcher only asks for a length."""

DEBUG = frozenset({"debug"})
TAG_SETS = (GENERIC, DEBUG)
WORKER_TAGS = [GENERIC, GENERIC | DEBUG, DEBUG]


def numbers(lease: Lease[Batch]) -> list[int]:
    return [int(n) for n in np.array(lease.batch)[lease.rows]]


def drain(dispatcher: Dispatcher[Batch], took_ns: int = 1000) -> list[Lease[Batch]]:
    """Lend and take back until nothing more is lent."""
    got: list[Lease[Batch]] = []
    while leases := dispatcher.assign(0).leases:
        for lease in leases:
            dispatcher.done(lease.id, took_ns)
        got += leases
    return got


def routes(*rows: list[int], codes: list[list[int]] | None = None, streams: list[list[int]] | None = None) -> Routes:
    return Routes(
        constraint=np.array(rows, np.int64),
        tags_code=None if codes is None else np.array(codes, np.int16),
        tag_sets=TAG_SETS,
        streams=None if streams is None else np.array(streams, np.uint64),
        width=2,
    )


def test_without_routes_the_idle_worker_is_first() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a")
    dispatcher.submit((0,))
    (first,) = dispatcher.assign(0).leases
    dispatcher.join("b")
    dispatcher.submit((1,))
    (second,) = dispatcher.assign(0).leases
    assert (first.worker, second.worker) == ("a", "b")


def test_few_events_are_spread_over_all_idle_workers() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    for name in "abcd":
        dispatcher.join(name, credit=1)
    dispatcher.submit(tuple(range(20)))
    assert [lease.size for lease in dispatcher.assign(0).leases] == [5, 5, 5, 5]


def test_a_lease_holds_the_measured_time() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher(target_ns=10_000_000)
    dispatcher.join("fast", credit=1)
    dispatcher.submit(tuple(range(100_000)))
    for _ in range(6):
        (lease,) = dispatcher.assign(0).leases
        dispatcher.done(lease.id, took_ns=lease.size * 20_000)
    (lease,) = dispatcher.assign(0).leases
    assert 400 <= lease.size <= 500
    dispatcher.done(lease.id, took_ns=lease.size * 100_000)
    (lease,) = dispatcher.assign(0).leases
    assert lease.size == 100  # at once: the next one would be late
    dispatcher.done(lease.id, took_ns=lease.size * 20_000_000)
    assert [lease.size for lease in dispatcher.assign(0).leases] == [1]


def test_the_high_lane_is_first_even_when_low_was_queued_before() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher(("high", "low"))
    dispatcher.join("a", credit=1)
    dispatcher.submit((0, 1), lane="low")
    dispatcher.submit((2, 3), lane="high")
    assert [lease.lane for lease in drain(dispatcher)] == ["high", "low"]


def test_a_busy_worker_is_lent_what_is_more_urgent_up_to_its_credit() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher(("high", "mid", "low"))
    dispatcher.join("a", credit=2)
    for _ in range(4):
        dispatcher.submit((0,), lane="low")
    assert [lease.lane for lease in dispatcher.assign(0).leases] == ["low", "low"]
    for _ in range(3):
        dispatcher.submit((1,), lane="mid")
    assert [lease.lane for lease in dispatcher.assign(0).leases] == ["mid", "mid"]
    for _ in range(3):
        dispatcher.submit((2,), lane="high")
    high = dispatcher.assign(0).leases
    assert [lease.lane for lease in high] == ["high", "high"]
    assert dispatcher.assign(0).leases == []
    dispatcher.done(high[0].id, 0)
    assert [lease.lane for lease in dispatcher.assign(0).leases] == ["high"]
    dispatcher.retire("a")
    dispatcher.done(high[1].id, 0)
    assert dispatcher.assign(0).leases == []
    assert {lease.lane for lease in dispatcher.lost("a").leases} == {"high", "mid", "low"}


def test_held_rows_of_the_low_lane_wait_for_the_high_one() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher(("high", "low"))
    dispatcher.join("a", credit=1)
    dispatcher.report("a", 1, 10_000_000)
    dispatcher.submit((0, 1, 2), routes([5, 5, 5]), lane="low")
    (lease,) = dispatcher.assign(0).leases
    dispatcher.submit((3,), lane="high")
    dispatcher.done(lease.id, 10_000_000)
    assert [lease.lane for lease in drain(dispatcher, 10_000_000)] == ["high", "low", "low"]


@pytest.mark.parametrize(
    "constraints",
    [range(128), range(127, -1, -1), [k // 10 for k in range(128)], [k % 8 + k // 64 * 8 for k in range(128)]],
)
def test_fresh_constraints_are_bound_as_runs(constraints: Sequence[int]) -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    for name in "ab":
        dispatcher.join(name)
        dispatcher.report(name, 16, 160_000)
    dispatcher.submit(tuple(range(128)), routes(list(constraints)))
    leases = drain(dispatcher)
    assert all(isinstance(lease.rows, slice) for lease in leases)
    assert Counter(lease.worker for lease in leases) == {"a": 1, "b": 1}


def test_an_event_reaches_a_worker_with_exactly_the_streams_that_name_it() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a", GENERIC)
    dispatcher.join("d", DEBUG)
    both = routes([3, 3], [ALL, NOWHERE], codes=[[0, 0], [1, 0]], streams=[[0b11, 0b11], [0b10, 0]])
    dispatcher.submit((0, 1), both)
    found = {lease.worker: lease for lease in drain(dispatcher)}
    assert found["a"].streams is None
    assert found["d"].streams is not None
    assert (numbers(found["d"]), found["d"].streams.tolist()) == ([0], [0b10])
    assert found["a"].copies is None
    assert found["d"].copies is not None
    assert found["d"].copies.tolist() == [1]


def test_two_constraints_on_one_worker_are_one_delivery() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a")
    dispatcher.submit((0,), routes([3], [4], streams=[[0b01], [0b10]]))
    (lease,) = drain(dispatcher)
    assert (lease.size, lease.streams) == (1, None)


def test_events_for_nobody_are_told_in_their_order_without_any_worker() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.submit((0, 1), routes([NOWHERE, NOWHERE]))
    (taken,) = dispatcher.assign(0).taken
    assert taken.deliveries is not None
    assert taken.deliveries.tolist() == [0, 0]
    assert dispatcher.waiting == 0


def test_rows_without_a_qualified_worker_wait_for_one() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a")
    dispatcher.submit((0, 1), routes([1, 2], codes=[[0, 1]]))
    assert [numbers(lease) for lease in drain(dispatcher)] == [[0]]
    assert dispatcher.waiting == 1
    dispatcher.join("d", DEBUG)
    assert [lease.worker for lease in drain(dispatcher)] == ["d"]
    assert dispatcher.waiting == 0


def test_an_entry_for_all_waits_while_the_only_such_worker_is_dead() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a")
    dispatcher.join("d", DEBUG)
    dispatcher.lost("d")
    dispatcher.submit((0,), routes([ALL], codes=[[1]]))
    assert not drain(dispatcher)
    dispatcher.join("d", DEBUG)
    assert [lease.worker for lease in drain(dispatcher)] == ["d"]


def test_an_entry_for_all_with_tags_nobody_ever_had_goes_to_nobody() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a")
    dispatcher.submit((0,), routes([ALL], codes=[[1]]))
    (taken,) = dispatcher.assign(0).taken
    assert taken.deliveries is not None
    assert taken.deliveries.tolist() == [0]


def test_copies_of_a_dead_worker_end_if_others_have_them() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a")
    dispatcher.join("b")
    dispatcher.submit((0,), routes([ALL]))
    assert len(dispatcher.assign(0).leases) == 2
    lost = dispatcher.lost("a")
    assert ([numbers(lease) for lease in lost.copies], lost.leases) == ([[0]], [])
    lost = dispatcher.lost("b")
    assert ([numbers(lease) for lease in lost.leases], lost.copies) == ([[0]], [])


def test_what_comes_back_is_given_before_all_else_and_counts_its_attempts() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a", credit=1)
    dispatcher.submit((0,))
    dispatcher.submit((1,))
    dispatcher.assign(0)
    (lease,) = dispatcher.lost("a").leases
    dispatcher.again(lease)
    dispatcher.join("b")
    assert [(numbers(lease), lease.attempts) for lease in drain(dispatcher)] == [([0], 2), ([1], 1)]


def test_what_comes_back_is_put_in_order() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a", credit=3)
    for number in range(3):
        dispatcher.submit((number,))
    dispatcher.assign(0)
    for lease in reversed(dispatcher.lost("a").leases):
        dispatcher.again(lease)
    dispatcher.join("b")
    assert [numbers(lease) for lease in drain(dispatcher)] == [[0], [1], [2]]


def test_what_a_dead_worker_had_not_been_lent_is_not_forgotten() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher(max_rows=2)
    dispatcher.join("a", credit=1)
    dispatcher.submit(tuple(range(6)), routes([1] * 6))
    dispatcher.assign(0)
    dispatcher.join("b", credit=1)
    dispatcher.assign(0)
    assert dispatcher.waiting == 4
    (lease,) = dispatcher.lost("a").leases
    assert dispatcher.waiting == 4
    dispatcher.again(lease)
    assert [number for lease in drain(dispatcher) for number in numbers(lease)] == list(range(6))


def test_further_deliveries_of_an_event_get_numbers_no_other_has() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("d", DEBUG, credit=1)
    dispatcher.submit((0,), routes([5], codes=[[1]]))
    (first,) = dispatcher.assign(0).leases
    dispatcher.join("both", GENERIC | DEBUG)
    dispatcher.submit((1,), routes([3], [4], [5], codes=[[0], [1], [1]]))
    dispatcher.assign(0)
    (lease,) = dispatcher.lost("both").leases
    dispatcher.done(first.id, 1)
    dispatcher.join("a", GENERIC)
    dispatcher.again(lease)
    copies = [0 if lease.copies is None else int(lease.copies[0]) for lease in drain(dispatcher)]
    assert len(copies) == len(set(copies)) == 3
    assert {0, 1} < set(copies)


def test_a_dead_workers_event_that_now_goes_to_two_announces_one_more() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("both", GENERIC | DEBUG)
    dispatcher.submit((0,), routes([3], [4], codes=[[0], [1]]))
    dispatcher.assign(0)
    (lease,) = dispatcher.lost("both").leases
    dispatcher.join("a", GENERIC)
    dispatcher.join("d", DEBUG)
    dispatcher.again(lease)
    out = dispatcher.assign(0)
    assert [(taken.again, taken.deliveries is not None and taken.deliveries.tolist()) for taken in out.taken] == [
        (True, [1])
    ]
    copies = [0 if lease.copies is None else int(lease.copies[0]) for lease in out.leases]
    assert len(set(copies)) == 2
    assert 0 in copies


def test_constraints_below_the_horizon_are_forgotten() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a")
    dispatcher.join("b")
    n = 4096
    for batch in range(50):
        fresh = np.arange(batch * n, (batch + 1) * n)[None]
        dispatcher.submit(tuple(range(n)), Routes(constraint=fresh, horizon=batch * n))
        drain(dispatcher)
    assert dispatcher.bound < 40_000


def test_leases_that_take_too_long_are_found() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a")
    dispatcher.submit((0,))
    (lease,) = dispatcher.assign(1_000).leases
    assert dispatcher.overdue(1_100, after_ns=100) == []
    assert dispatcher.overdue(1_101, after_ns=100) == [lease]


@pytest.mark.parametrize("misuse", ["twice", "unknown", "lost"])
def test_a_lease_ends_once(misuse: str) -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a")
    dispatcher.submit((0,))
    (lease,) = dispatcher.assign(0).leases
    if misuse == "twice":
        dispatcher.done(lease.id, 1)
    elif misuse == "lost":
        dispatcher.lost("a")
    with pytest.raises(StateError, match="is not lent"):
        dispatcher.done(lease.id + (misuse == "unknown"), 1)


entries = st.tuples(st.sampled_from([ALL, NOWHERE, *range(6)]), st.integers(0, 1), st.integers(1, 3))
events = st.lists(st.lists(entries, min_size=2, max_size=2), max_size=30)
actions = st.lists(st.sampled_from(["assign", "done", "done", "lose", "join"]), max_size=40)


class Stage:
    """A stage that checks every lease as it comes, and remembers who did what."""

    def __init__(self, workers: int, max_rows: int = 4096) -> None:
        self.dispatcher: Dispatcher[Batch] = Dispatcher(max_rows=max_rows)
        self.tags: dict[str, frozenset[str]] = {}
        self.lent: dict[int, Lease[Batch]] = {}
        self.finished: list[Lease[Batch]] = []
        self.ended: list[Lease[Batch]] = []
        self.owed: Counter[int] = Counter()
        self.taken: list[int] = []
        self.last: dict[str, int] = {}
        self.joined = 0
        for _ in range(workers):
            self.join()

    def join(self) -> None:
        name = f"w{self.joined}"
        self.tags[name] = WORKER_TAGS[self.joined % 3]
        self.dispatcher.join(name, self.tags[name], credit=1 + self.joined % 2)
        self.joined += 1

    def assign(self) -> bool:
        out = self.dispatcher.assign(0)
        for taken in out.taken:
            ns = np.array(taken.batch)[taken.rows].tolist()
            owed = [1] * len(ns) if taken.deliveries is None else taken.deliveries.tolist()
            self.owed.update(dict(zip(ns, owed, strict=True)))
            if not taken.again:
                self.taken += ns
        for lease in out.leases:
            ns = numbers(lease)
            assert lease.size == len(ns) > 0
            assert ns == sorted(ns)
            self.lent[lease.id] = lease
            mine = [other for other in self.lent.values() if other.worker == lease.worker]
            assert len(mine) <= (1, 2 * 2)[int(lease.worker[1:]) % 2]
            if lease.attempts == 1:
                assert self.last.get(lease.worker, -1) < ns[0]
                self.last[lease.worker] = ns[-1]
        return bool(out.leases or out.taken)

    def done(self) -> None:
        if self.lent:
            lease = self.lent.pop(next(iter(self.lent)))
            assert self.dispatcher.done(lease.id, 100) is lease
            self.finished.append(lease)

    def lose(self) -> None:
        if len(self.dispatcher.workers) > 1:
            name = self.dispatcher.workers[0]
            lost = self.dispatcher.lost(name)
            self.lent = {k: lease for k, lease in self.lent.items() if lease.worker != name}
            self.ended += lost.copies
            for lease in lost.leases:
                self.dispatcher.again(lease)

    def finish(self) -> None:
        for _ in range(3):
            self.join()
        while self.assign() or self.lent:
            self.done()


def with_routes(batch: list[list[tuple[int, int, int]]], base: int) -> tuple[Batch, Routes]:
    columns = np.array(batch, np.int64).reshape(len(batch), 2, 3)
    # equal constraints have equal tags, as the first occurrence decides
    constraint = columns[:, :, 0].T
    codes = np.where(constraint >= 0, constraint % 2, columns[:, :, 1].T)
    return tuple(range(base, base + len(batch))), Routes(
        constraint=constraint.copy(),
        tags_code=codes.astype(np.int16),
        tag_sets=TAG_SETS,
        streams=columns[:, :, 2].T.astype(np.uint64),
        width=2,
    )


@given(st.lists(events, max_size=4), actions, st.integers(3, 5), st.integers(1, 6))
def test_every_entry_is_delivered_once_whoever_dies(
    batches: list[list[list[tuple[int, int, int]]]], steps: list[str], workers: int, max_rows: int
) -> None:
    stage = Stage(workers, max_rows)
    wanted: dict[int, list[tuple[int, int]]] = {}
    total = 0
    for batch in batches:
        numbers_, columns = with_routes(batch, total)
        assert columns.tags_code is not None
        for position, number in enumerate(numbers_):
            entry = columns.constraint[:, position].tolist(), columns.tags_code[:, position].tolist()
            wanted[number] = list(zip(*entry, strict=True))
        stage.dispatcher.submit(numbers_, columns)
        total += len(numbers_)
    for step in steps:
        getattr(stage, step)()
    stage.finish()

    assert stage.taken == list(range(total))
    assert stage.dispatcher.waiting == stage.dispatcher.outstanding == 0
    found: Counter[int] = Counter()
    copies: set[tuple[int, int]] = set()
    served: dict[int, set[str]] = defaultdict(set)
    for lease in [*stage.finished, *stage.ended]:
        for row, number in enumerate(numbers(lease)):
            copy = 0 if lease.copies is None else int(lease.copies[row])
            assert (number, copy) not in copies
            copies.add((number, copy))
            found[number] += 1
            served[number].add(lease.worker)
    assert found == +stage.owed
    for number, named in wanted.items():
        for constraint, code in named:
            if constraint >= 0:
                assert any(TAG_SETS[code] <= stage.tags[worker] for worker in served[number])


def expected_streams(
    columns: Routes, row: int, home: dict[int, str], tags: dict[str, frozenset[str]]
) -> dict[str, int]:
    """Return what each worker must get of one event, written as plainly as possible."""
    assert columns.tags_code is not None
    assert columns.streams is not None
    expected: dict[str, int] = defaultdict(int)
    for k in range(2):
        constraint, mask = int(columns.constraint[k, row]), int(columns.streams[k, row])
        if constraint >= 0:
            expected[home[constraint]] |= mask
        elif constraint == ALL:
            for worker, has in tags.items():
                if TAG_SETS[columns.tags_code[k, row]] <= has:
                    expected[worker] |= mask
    return dict(expected)


@given(events, st.integers(2, 5), st.integers(0, 30))
def test_workers_get_exactly_the_streams_of_their_cells(
    batch: list[list[tuple[int, int, int]]], workers: int, middle: int
) -> None:
    stage = Stage(workers)
    first, binding = with_routes([[(c, 0, 3), (NOWHERE, 0, 3)] for c in range(6)], 0)
    stage.dispatcher.submit(first, binding)
    ours, columns = with_routes(batch, len(first))
    for part in (slice(0, middle), slice(middle, len(batch))):
        stage.dispatcher.submit(ours[part], columns.take(part))
    while stage.assign() or stage.lent:
        stage.done()

    got: dict[int, dict[str, int]] = defaultdict(dict)
    for lease in stage.finished:
        for row, number in enumerate(numbers(lease)):
            assert lease.worker not in got[number]
            got[number][lease.worker] = 0b11 if lease.streams is None else int(lease.streams[row])
    home = {constraint: next(iter(got[constraint])) for constraint in first}
    for row, number in enumerate(ours):
        assert got[number] == expected_streams(columns, row, home, stage.tags)


@given(
    st.lists(st.lists(st.integers(0, 20) | st.integers(0, 10**15), max_size=20), max_size=4),
    st.integers(1, 4),
    st.integers(1, 20),
)
def test_equal_constraints_meet_on_one_worker(batches: list[list[int]], workers: int, max_rows: int) -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher(max_rows=max_rows)
    for worker in range(workers):
        dispatcher.join(str(worker), credit=1)
    home: dict[int, str] = {}
    for constraints in batches:
        dispatcher.submit(tuple(constraints), routes(constraints))
    leases = drain(dispatcher)
    for lease in leases:
        for constraint in numbers(lease):
            assert home.setdefault(constraint, lease.worker) == lease.worker
    assert sum(lease.size for lease in leases) == sum(map(len, batches))


@pytest.mark.parametrize(("credit", "took_ns", "lent"), [(2, 1_100, 2), (2, 900, 4), (3, 900, 6), (1, 900, 1)])
def test_twice_as_many_short_leases_are_lent_unless_one_is_asked_for(credit: int, took_ns: int, lent: int) -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher(target_ns=8_000, max_rows=4)  # below 1 µs it is a short one
    dispatcher.join("a", credit=credit)
    dispatcher.submit(tuple(range(200)))
    held: list[Lease[Batch]] = []
    for _ in range(10):  # until it has been learnt
        held += dispatcher.assign(0).leases
        assert len(held) <= max(credit, lent)
        dispatcher.done(held.pop(0).id, took_ns)
    held += dispatcher.assign(0).leases
    assert len(held) == lent


@given(st.lists(st.integers(1, 40), max_size=6), st.integers(1, 4), st.integers(1, 3))
def test_without_routes_every_row_is_lent_once_in_order(sizes: list[int], workers: int, credit: int) -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    for worker in range(workers):
        dispatcher.join(str(worker), credit=credit)
    ends = np.cumsum([0, *sizes]).tolist()
    for start, stop in pairwise(ends):
        dispatcher.submit(tuple(range(start, stop)))
    assert dispatcher.waiting == ends[-1]
    leases = drain(dispatcher)
    assert [number for lease in leases for number in numbers(lease)] == list(range(ends[-1]))


def test_what_is_lent_keeps_its_constraints_beyond_the_horizon() -> None:
    dispatcher: Dispatcher[Batch] = Dispatcher()
    dispatcher.join("a", credit=2)
    dispatcher.report("a", 1, 10_000_000)
    dispatcher.submit((0, 1), routes([0, 0]))
    assert len(dispatcher.assign(0).leases) == 2
    first, second = dispatcher.lost("a").leases
    dispatcher.join("b")
    dispatcher.again(first)
    assert [lease.worker for lease in dispatcher.assign(0).leases] == ["b"]
    dispatcher.join("c", credit=9)
    for batch in range(1, 11):
        fresh = np.arange(batch * 4096, (batch + 1) * 4096)[None]
        dispatcher.submit(tuple(range(4096)), Routes(constraint=fresh, horizon=batch * 4096))
        while leases := dispatcher.assign(0).leases:
            for lease in leases:
                dispatcher.done(lease.id, 1000)
    assert dispatcher.bound < 40_000
    dispatcher.again(second)
    assert [lease.worker for lease in dispatcher.assign(0).leases] == ["b"]
