"""Ranges of a recorded run are lent again as they were, to the same workers, in the same order."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.dispatch import Dispatcher
from penstock.core.lease import Lease
from penstock.core.log_records import RangeWorked
from penstock.core.replayed_ranges import ReplayedRanges
from penstock.core.routes import ALL, NOWHERE, Routes

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
WORKERS = ("fit-0", "fit-1")


def worked(lease: Lease[Numbers]) -> RangeWorked:
    numbers = lease.batch[lease.rows]
    return RangeWorked(stage="fit", worker=lease.worker, began_ns=0, took_ns=0, numbers=numbers)


def routes(constraint: list[int]) -> Routes:
    return Routes(constraint=np.array([constraint], np.int64))


Run = tuple[list[tuple[Numbers, Routes | None]], list[RangeWorked]]
cells = st.none() | st.lists(st.sampled_from([0, 1, 2, ALL, NOWHERE]), min_size=1, max_size=12)


def live_run(columns: list[list[int] | int], chance: random.Random) -> Run:
    """Return batches, and how a dispatcher cut them for workers that were done at any time."""
    batches: list[tuple[Numbers, Routes | None]] = []
    at = 0
    for column in columns:
        n = column if isinstance(column, int) else len(column)
        batches.append((np.arange(at, at + n), None if isinstance(column, int) else routes(column)))
        at += n
    live: Dispatcher[Numbers] = Dispatcher(max_rows=4)
    for worker in WORKERS:
        live.join(worker, credit=1)
    log: list[RangeWorked] = []
    out: list[Lease[Numbers]] = []
    left = list(batches)
    while left or out or live.waiting:
        if left and chance.random() < 0.5:
            live.submit(*left.pop(0))
        out += live.assign(0).leases
        if out and chance.random() < 0.5:
            lease = out.pop(chance.randrange(len(out)))
            live.done(lease.id, 1)
            log.append(worked(lease))
    return batches, log


def again(batches: list[tuple[Numbers, Routes | None]], log: list[RangeWorked], chance: random.Random) -> Run:
    """Return what was taken, and how it was lent, if workers are done at other times."""
    replay: ReplayedRanges[Numbers] = ReplayedRanges([""], log, WORKERS, lambda batch: batch)
    for worker in WORKERS:
        replay.join(worker, credit=1)
    found: list[RangeWorked] = []
    out: list[Lease[Numbers]] = []
    taken: list[tuple[Numbers, Routes | None]] = []
    left = list(batches)
    while left or out or replay.has_waiting:
        if left and chance.random() < 0.5:
            replay.submit(*left.pop(0))
        if not left:
            replay.end("")
        assigned = replay.assign(0)
        out += assigned.leases
        taken += [(each.batch, None) for each in assigned.taken]
        if out and chance.random() < 0.5:
            lease = out.pop(chance.randrange(len(out)))
            replay.done(lease.id, 1)
            found.append(worked(lease))
    assert replay.waiting == 0
    return taken, found


def by_worker(log: list[RangeWorked]) -> dict[str, list[list[int]]]:
    return {worker: [r.numbers.tolist() for r in log if r.worker == worker] for worker in WORKERS}


columns = st.lists(st.integers(1, 12) | cells.filter(bool), min_size=1, max_size=4)
seeds = st.integers(0, 1 << 30)


@given(columns, seeds)
def test_every_worker_gets_what_it_had_in_that_order(columns: list[list[int] | int], seed: int) -> None:
    chance = random.Random(seed)
    batches, log = live_run(columns, chance)
    taken, found = again(batches, log, chance)
    assert by_worker(found) == by_worker(log)
    assert np.concatenate([batch for batch, _ in taken]).tolist() == list(range(sum(len(b) for b, _ in batches)))


@given(columns, seeds)
def test_what_the_log_lacks_goes_to_somebody(columns: list[list[int] | int], seed: int) -> None:
    chance = random.Random(seed)
    batches, log = live_run(columns, chance)
    _, found = again(batches, [each for each in log if chance.random() < 0.5], chance)
    wanted = [
        int(number)
        for numbers, route in batches
        for number, cell in zip(numbers, [0] * len(numbers) if route is None else route.constraint[0], strict=True)
        if cell != NOWHERE
    ]
    assert sorted({int(number) for each in found for number in each.numbers}) == wanted


def test_ranges_that_never_come_hold_nobody_up() -> None:
    log = [
        RangeWorked(stage="fit", worker="fit-0", began_ns=0, took_ns=0, numbers=np.arange(*span))
        for span in ((0, 5), (10, 15))
    ]
    replay: ReplayedRanges[Numbers] = ReplayedRanges([""], log, WORKERS, lambda batch: batch)
    replay.join("fit-0")
    replay.submit(np.arange(10, 15))
    assert [lease.size for lease in replay.assign(0).leases] == [5]


def test_what_a_replay_has_planned_is_given_up_as_expected() -> None:
    log = [
        RangeWorked(stage="fit", worker="fit-0", began_ns=0, took_ns=0, numbers=np.arange(2)),
        RangeWorked(stage="fit", worker="fit-1", began_ns=0, took_ns=0, numbers=np.arange(2, 4)),
    ]
    replay: ReplayedRanges[Numbers] = ReplayedRanges([""], log, WORKERS, lambda batch: batch)
    replay.submit(np.arange(6))
    given_up = replay.give_up()
    assert [each for lease in given_up.given for each in lease.batch[lease.rows].tolist()] == [4, 5, 0, 1, 2, 3]
    assert [taken.batch[taken.rows].tolist() for taken in given_up.taken] == [[0, 1, 2, 3, 4, 5]]
    assert (given_up.fresh, replay.has_waiting, replay.waiting) == ([], False, 0)
