"""Who can leave, and who is given nothing but what must stay with it: equal constraints never part, nothing is lost."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.core.dispatch import Dispatcher
from penstock.core.lease import Assigned, Lease
from penstock.core.routes import ALL, NOWHERE, Routes

Batch = tuple[int, ...]


def numbers(lease: Lease[Batch]) -> list[int]:
    return [int(n) for n in np.array(lease.batch)[lease.rows]]


class Growing:
    """A stage whose workers come at any time, and leave only where they can."""

    def __init__(self, batches: Sequence[Sequence[int]]) -> None:
        self.constraints = np.array([constraint for batch in batches for constraint in batch], np.int64)
        self.batches = list(batches)
        self.dispatcher: Dispatcher[Batch] = Dispatcher(max_rows=3)
        self.lent: dict[int, Lease[Batch]] = {}
        self.seen: list[tuple[int, str]] = []
        self.came = self.given = 0
        self.taken = -1
        for _ in range(3):
            self.join()

    def submit(self) -> None:
        if self.batches:
            batch = self.batches.pop(0)
            events = tuple(range(self.given, self.given + len(batch)))
            self.given += len(batch)
            self.dispatcher.submit(events, Routes(constraint=np.array([batch], np.int64)))

    def is_named(self, lane: str, constraint: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.isin(constraint, self.constraints[self.taken + 1 :])

    def assign(self) -> None:
        assigned: Assigned[Batch] = self.dispatcher.assign(0)
        for taken in assigned.taken:
            self.taken = max(self.taken, int(np.array(taken.batch)[taken.rows][-1]))
        self.lent.update({lease.id: lease for lease in assigned.leases})

    def done(self) -> None:
        if self.lent:
            lease = self.lent.pop(min(self.lent))
            self.dispatcher.done(lease.id, 100)
            self.seen += [(number, lease.worker) for number in numbers(lease)]

    def join(self) -> None:
        self.came += 1
        self.dispatcher.join(f"w{self.came}")

    def leave(self) -> None:
        kept = self.dispatcher.keepers(self.is_named)
        free = [name for name in self.dispatcher.workers if name not in kept and not self.dispatcher.leases_of(name)]
        for name in free[: min(1, len(self.dispatcher.workers) - 1)]:
            self.dispatcher.retire(name)
            lost = self.dispatcher.lost(name)
            assert (lost.leases, lost.copies) == ([], [])
            assert not self.dispatcher.has_returned, "something was held for who left"

    def close(self) -> None:
        self.dispatcher.keep_to_own(self.dispatcher.workers[1:])

    def open(self) -> None:
        self.dispatcher.keep_to_own(())

    def finish(self) -> None:
        while self.batches or self.dispatcher.waiting or self.lent:
            self.submit()
            self.assign()
            self.done()


ACTIONS = st.lists(
    st.sampled_from(["submit", "submit", "assign", "assign", "done", "done", "leave", "join", "close", "open"]),
    max_size=60,
)  # fmt: skip
BATCHES = st.lists(
    st.lists(st.sampled_from([0, 1, 2, 3, 4, ALL, NOWHERE]), min_size=1, max_size=8), min_size=1, max_size=6
)


@given(BATCHES, ACTIONS)
def test_equal_constraints_stay_with_one_worker_whoever_comes_and_leaves(
    batches: list[list[int]], actions: Sequence[str]
) -> None:
    stage = Growing(batches)
    for action in actions:
        getattr(stage, action)()
    stage.finish()
    assert not stage.dispatcher.has_returned
    times = Counter(number for number, _ in stage.seen)
    for number, constraint in enumerate(stage.constraints.tolist()):
        assert times[number] == 0 if constraint == NOWHERE else times[number] >= 1 if constraint == ALL else True
        if constraint >= 0:
            assert times[number] == 1
    for constraint in range(5):
        who = {worker for number, worker in stage.seen if stage.constraints[number] == constraint}
        assert len(who) <= 1, f"constraint {constraint} went to {who}"
    assert len(stage.seen) == len(set(stage.seen)), "one worker had an event twice"


def test_who_keeps_to_its_own_goes_on_with_its_group_and_can_leave_when_that_is_over() -> None:
    stage = Growing([[0, 1], [1, 2, 1], [2, 1], [3]])
    for action in ("submit", "assign", "done", "done"):
        getattr(stage, action)()
    with_one = next(worker for number, worker in stage.seen if number == 1)
    stage.dispatcher.keep_to_own([with_one])
    assert with_one in stage.dispatcher.keepers(stage.is_named)
    stage.finish()
    assert [number for number, worker in stage.seen if worker == with_one] == [1, 2, 4, 6]
    assert stage.dispatcher.keepers(stage.is_named) == set()
