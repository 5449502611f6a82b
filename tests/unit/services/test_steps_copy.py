"""One worker's copy of a stage's steps: an outcome for every item, in order, whatever steps do."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from penstock.elements.step import Step
from penstock.errors import UserCodeError
from penstock.pipeline.plan import OnError, StagePlan
from penstock.services.strands.steps_copy import GIVEN_UP, Answer, StepsCopy


def copy_of(*targets: Callable[..., Any], on_error: OnError = "fail") -> StepsCopy:
    plan = StagePlan(name="s", kind="steps", inputs=(), elements=(), on_error=on_error)
    steps = [Step(target, stage="s", step=target.__name__) for target in targets]
    return StepsCopy(plan, steps, [step.name for step in steps])


def even(item: int) -> int | None:
    return None if item % 2 else item


def no_four(item: int) -> int:
    if item == 4:
        raise ValueError("four")
    return item


async def no_four_async(item: int) -> int:
    await asyncio.sleep(0)
    return no_four(item)


def each(upstream: Iterator[int]) -> Iterator[int]:
    yield from upstream


def work(copy: StepsCopy, items: list[int]) -> Answer:
    """Return what was said, in as many pieces as it took, as one."""
    answers: list[Answer] = []
    if copy.is_async:
        asyncio.run(copy.work_awaiting(items, answers.append))
    else:
        copy.work(items, answers.append)
    whole = Answer([])
    for answer in answers:
        whole.outcomes += answer.outcomes
        whole.failures += answer.failures
        whole.tallies += answer.tallies
        whole.trouble += answer.trouble
    return whole


def tallied(answer: Answer, steps: int) -> list[tuple[int, ...]]:
    tallies = [tally[:3] for tally in answer.tallies]
    return [tuple(map(sum, zip(*tallies[step::steps], strict=True))) for step in range(steps)]


@pytest.mark.parametrize("step", [no_four, no_four_async])
def test_every_item_has_an_outcome(step: Callable[..., Any]) -> None:
    copy = copy_of(even, step, on_error="skip")
    answer = work(copy, [2, 3, 4, 5, 6])
    assert answer.outcomes == [2, None, GIVEN_UP, None, 6]
    assert [failure.cause for failure in answer.failures] == [f"{step.__name__}: ValueError: four"]
    assert tallied(answer, 2) == [(5, 2, 0), (3, 0, 1)]
    assert not answer.trouble
    answer = work(copy, [8])
    assert answer.outcomes == [8]
    assert tallied(answer, 2) == [(1, 0, 0), (1, 0, 0)]


@pytest.mark.parametrize("step", [no_four, no_four_async])
def test_after_a_failure_that_ends_the_run_nothing_is_said(step: Callable[..., Any]) -> None:
    copy = copy_of(step)
    answer = work(copy, [2, 4, 6])
    assert answer.outcomes == [2]
    assert answer.trouble == f"stage s: {step.__name__}: ValueError: four; the item was 4"
    assert work(copy, [8]) == Answer([])


def test_what_was_not_begun_is_given_back() -> None:
    begun, returned = [0], list[int]()

    def recalls(item: int) -> int:
        if item == 2:
            returned.append(copy.recall())
        return item

    copy = copy_of(recalls)
    copy.count_begun(begun)
    answer = work(copy, [1, 2, 3, 4])
    assert answer.outcomes == [1, 2]
    assert returned == [2]
    assert begun == [2]


def test_what_takes_long_is_told_meanwhile() -> None:
    answers: list[Answer] = []

    def slow(item: int) -> int:
        copy._since_ns = 0  # as if it had been long ago
        return item

    copy = copy_of(slow)
    copy.work([1, 2, 3], answers.append)
    assert [answer.outcomes for answer in answers] == [[1], [2], [3]]


def test_what_needs_all_items_is_refused() -> None:
    with pytest.raises(UserCodeError, match="each is a generator, which sees the items of one worker only"):
        copy_of(each)
