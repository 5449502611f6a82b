"""The policy of how many workers there are: it keeps up, keeps within its limits, and never flaps; in virtual time."""

from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.staffing import Limits, Load, Move, Staffing

LOOK_NS = 250_000_000
S = 1_000_000_000


@dataclass
class Stage:
    """Workers that do as much as they can of what comes; each does one unit of work a second."""

    limits: Limits
    workers: int
    waiting: float = 0.0
    coming: list[int] = field(default_factory=list)
    """When each will be there."""
    born_ns: int = 0
    """How long it takes until one is there."""
    kept: int = 0
    """So many never can leave."""
    moves: list[tuple[int, int, int]] = field(default_factory=list)
    """When, from how many, to how many."""
    now_ns: int = 0

    def __post_init__(self) -> None:
        self.staffing = Staffing(self.limits)
        self.staffing.look(0, self.load(0.0))

    def load(self, busy: float) -> Load:
        return Load(
            present=self.workers, coming=len(self.coming), spare=max(0, self.workers - self.kept), busy=busy,
            waiting=ceil(self.waiting),
        )  # fmt: skip

    def live(self, work_per_s: float, seconds: float) -> None:
        for _ in range(round(seconds * S / LOOK_NS)):
            self.now_ns += LOOK_NS
            came = self.waiting + work_per_s * LOOK_NS / S
            done = min(came, self.workers * LOOK_NS / S)
            self.waiting = came - done if came - done > 1e-9 else 0.0
            move = self.staffing.look(self.now_ns, self.load(done * S / LOOK_NS))
            self.follow(move)

    def follow(self, move: Move | None) -> None:
        there = [at for at in self.coming if at <= self.now_ns]
        self.coming = [at for at in self.coming if at > self.now_ns]
        self.workers += len(there)
        if move is None:
            return
        before = self.workers + len(self.coming)
        assert move.workers != before, "a change that changes nothing"
        assert move.why
        self.moves.append((self.now_ns, before, move.workers))
        if move.workers < before:
            assert before - move.workers <= max(0, self.workers - self.kept), "one leaves who must not"
            self.workers -= before - move.workers
        else:
            self.coming += [self.now_ns + self.born_ns] * (move.workers - before)
            if not self.born_ns:
                self.workers, self.coming = move.workers, []


limits = st.builds(
    lambda least, more, grow, times: Limits(least=least, most=least + more, grow_s=grow, shrink_s=grow * times),
    st.integers(1, 4), st.integers(0, 12), st.sampled_from([0.25, 1.0, 3.0]), st.sampled_from([2.0, 10.0]),
)  # fmt: skip
loads = st.lists(st.tuples(st.floats(0, 20), st.floats(0.25, 40)), min_size=1, max_size=12)


@given(limits, loads, st.sampled_from([0, 1_500_000_000]), st.integers(0, 6))
def test_whatever_comes_it_keeps_within_its_limits_and_changes_no_sooner_than_it_may(
    limits: Limits, loads: list[tuple[float, float]], born_ns: int, kept: int
) -> None:
    stage = Stage(limits, limits.least, born_ns=born_ns, kept=kept)
    for work_per_s, seconds in loads:
        stage.live(work_per_s, seconds)
    assert all(limits.least <= to <= limits.most for _, _, to in stage.moves)
    for (then_ns, was, became), (now_ns, before, to) in pairwise(stage.moves):
        at_least_s = limits.shrink_s if to < before and (became > was or not kept) else limits.grow_s
        assert now_ns - then_ns >= at_least_s * S, "it changes too soon after it has changed"


@given(limits, st.floats(0, 20), st.sampled_from([0, 1_500_000_000]))
def test_the_same_load_all_the_time_brings_as_many_as_it_needs_and_then_nothing_changes(
    limits: Limits, work_per_s: float, born_ns: int
) -> None:
    stage = Stage(limits, limits.least, born_ns=born_ns)
    stage.live(work_per_s, 100 * limits.grow_s + 20 * limits.shrink_s)
    goes_up = [to > before for _, before, to in stage.moves]
    assert goes_up == sorted(goes_up, reverse=True), "who was let go was needed"
    assert all(at < (100 * limits.grow_s + 10 * limits.shrink_s) * S for at, _, _ in stage.moves), "it never rests"
    if work_per_s < limits.most:
        assert stage.workers >= work_per_s - 1e-9 or stage.waiting < 1
    else:
        assert stage.workers == limits.most
    if stage.workers > limits.least:
        assert stage.workers <= max(ceil(work_per_s / 0.75), ceil(1.5 * work_per_s)), "far more than are needed"


@given(st.floats(2.5, 8), st.floats(11, 27))
def test_bursts_that_come_again_soon_find_their_workers_there(work_per_s: float, pause_s: float) -> None:
    stage = Stage(Limits(most=8), 1)
    for _ in range(4):
        stage.live(work_per_s, 8)
        stage.live(0, pause_s)
    moves = len(stage.moves)
    for _ in range(20):
        stage.live(work_per_s, 8)
        assert stage.workers >= 2
        stage.live(0, pause_s)
    assert len(stage.moves) - moves <= 6, "it flaps with the bursts"
    stage.live(0, 161)
    assert stage.workers == 1, "it is patient for ever"


def test_it_grows_by_half_to_its_limit_and_comes_back_when_nothing_comes() -> None:
    stage = Stage(Limits(most=8), 1, waiting=1000)
    stage.live(0, 10)
    assert [to for _, _, to in stage.moves] == [2, 3, 5, 8]
    assert [at // S for at, _, _ in stage.moves] == [1, 2, 3, 4]
    stage.waiting = 0
    stage.live(0, 11)
    assert stage.moves[-1][1:] == (8, 1)
    assert stage.staffing.why == "at most 0 of 8 busy for 10 s"


def test_no_more_come_than_there_is_work_for_nor_while_results_are_not_taken() -> None:
    few = Load(present=6, spare=6, busy=6.0, waiting=1)
    staffing = Staffing(Limits(most=20))
    staffing.look(0, few)
    assert staffing.look(S, few) == Move(workers=7, why="100% busy for 1 s while 1 wait")
    blocked = Load(present=6, spare=6, busy=6.0, waiting=900, is_blocked=True)
    staffing = Staffing(Limits(most=20))
    assert [staffing.look(second * S, blocked) for second in range(50)] == [None] * 50


def test_idle_workers_that_wait_for_others_results_bring_no_more_although_events_wait() -> None:
    staffing = Staffing(Limits(most=20))
    halting = Load(present=4, spare=0, busy=2.0, waiting=900)
    assert [staffing.look(second * S, halting) for second in range(50)] == [None] * 50


def test_only_those_leave_who_can() -> None:
    stage = Stage(Limits(most=8), 8, kept=3)
    stage.live(0, 30)
    assert [move[1:] for move in stage.moves] == [(8, 3)]
    assert stage.staffing.surplus == 2
    stage.kept = 2
    stage.live(0, 1)
    assert (stage.workers, stage.staffing.surplus) == (2, 1), "one who can leave now waits once more"
    stage.live(8, 3)
    assert stage.staffing.surplus == 0, "one who is wanted is still to leave"


def test_a_number_that_is_asked_for_holds_at_once_and_until_it_is_taken_back() -> None:
    stage = Stage(Limits(least=2, most=8), 2, kept=4)
    stage.staffing.pin(6)
    stage.live(0, 30)
    assert [move[1:] for move in stage.moves] == [(2, 6)]
    stage.staffing.pin(2)
    stage.live(20, 30)
    assert stage.workers == 4, "two have something that must stay with them"
    stage.kept = 0
    stage.live(20, 1)
    assert stage.workers == 2
    assert stage.staffing.why == "as asked"
    stage.staffing.pin(None)
    stage.live(20, 30)
    assert stage.workers == 8
    for workers in (1, 9):
        with pytest.raises(ValueError, match=f"{workers} workers are not within its limits; ask for 2 to 8"):
            stage.staffing.pin(workers)
    assert stage.staffing.pinned is None


def test_what_was_measured_before_it_was_held_says_nothing_afterwards() -> None:
    lagging = Load(present=1, spare=1, busy=1.0, waiting=5)
    staffing = Staffing(Limits(most=8))
    assert staffing.look(0, lagging) is None
    staffing.forget()
    assert staffing.look(50 * S, lagging) is None
    move = staffing.look(51 * S, lagging)
    assert move is not None
    assert move.workers == 2


def test_one_worker_that_has_all_that_belongs_together_is_helped_if_others_could_have_the_next_of_it() -> None:
    one_sided = Load(present=4, spare=3, busy=1.0, busiest=1.0, waiting=50)
    opening = Load(present=4, spare=3, busy=1.0, busiest=1.0, waiting=50, opens=True)
    staffing = Staffing(Limits(most=8))
    assert [staffing.look(second * S, one_sided) for second in range(8)] == [None] * 8, "nobody could help it"
    assert staffing.look(8 * S, opening) == Move(
        workers=6, why="one busy with what belongs together, 25% all, for 1 s while 50 wait"
    )
