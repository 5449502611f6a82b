"""A run's outcome: the gravest thing said of it, settled once."""

from itertools import permutations

import pytest

from penstock.core.run import MOST_REASONS, Outcome, RunState
from penstock.errors import StateError


def test_a_run_about_which_nothing_was_said_finishes() -> None:
    run = RunState("r1")
    assert (run.outcome, run.prospect) == (Outcome.RUNNING, Outcome.FINISHED)
    assert run.end() is run.outcome is Outcome.FINISHED
    assert (run.exit_code, run.reasons) == (0, ())


@pytest.mark.parametrize("order", list(permutations([Outcome.INCOMPLETE, Outcome.ABORTED, Outcome.FAILED])))
def test_the_gravest_wins_in_any_order(order: tuple[Outcome, ...]) -> None:
    run = RunState("r1")
    for outcome in order:
        run.mark(outcome, f"why {outcome}")
    assert run.end() is Outcome.FAILED
    assert run.reasons == ("why failed", "why aborted", "why incomplete")


@pytest.mark.parametrize(("outcome", "code"), [(Outcome.INCOMPLETE, 3), (Outcome.ABORTED, 130), (Outcome.FAILED, 1)])
def test_exit_codes(outcome: Outcome, code: int) -> None:
    run = RunState("r1")
    run.dead_letters = 1
    run.mark(outcome, "why")
    run.end()
    assert run.exit_code == code


def test_dead_letters_show_in_the_exit_code_of_a_finished_run() -> None:
    run = RunState("r1")
    run.dead_letters = 1
    run.end()
    assert (run.outcome, run.exit_code) == (Outcome.FINISHED, 3)


def test_reasons_are_bounded_and_not_repeated() -> None:
    run = RunState("r1")
    for k in range(MOST_REASONS + 5):
        run.mark(Outcome.INCOMPLETE, f"event {k}")
        run.mark(Outcome.INCOMPLETE, "event 0")
    assert len(run.reasons) == MOST_REASONS + 1
    assert run.reasons[-1] == "and 5 more"


def test_what_ended_cannot_change() -> None:
    run = RunState("r1")
    with pytest.raises(StateError, match="is running"):
        _ = run.exit_code
    run.end()
    with pytest.raises(StateError, match="has ended as finished; it cannot become failed: late"):
        run.mark(Outcome.FAILED, "late")


@pytest.mark.parametrize("outcome", [Outcome.RUNNING, Outcome.FINISHED])
def test_a_run_is_never_marked_good(outcome: Outcome) -> None:
    with pytest.raises(StateError, match="mark it incomplete, aborted or failed"):
        RunState("r1").mark(outcome, "no")
