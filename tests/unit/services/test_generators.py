"""Generators of a strand, by plain calls: pulled, made anew when they raise, and told apart when one does."""

from collections.abc import Iterator
from typing import Any

import pytest

from penstock.core.ledger import Account, Ledger
from penstock.elements.step import Step
from penstock.pipeline.plan import StagePlan
from penstock.services.strands.edge import Edge
from penstock.services.strands.feed import EdgeFeed
from penstock.services.strands.generators import Generators, SourceFailedError
from penstock.services.strands.parts import MarkPart, OutPart, StepPart
from penstock.services.strands.run import Run, StageFailedError
from penstock.services.strands.stage import Stage
from penstock.services.strands.strand_books import StrandBooks


def once_more(upstream: Iterator[int]) -> Iterator[int]:
    for item in upstream:
        yield item
        yield item


def threes_break(upstream: Iterator[int]) -> Iterator[int]:
    for item in upstream:
        if item % 3 == 0:
            raise ValueError(f"{item} is a three")
        yield item


def breaks_at_the_end(upstream: Iterator[int]) -> Iterator[int]:
    yield from upstream
    raise ValueError("what is left")


def made(*steps: Any, on_error: Any = "skip") -> tuple[Generators, Stage]:
    """Return generators, and their stage."""
    stage = Stage(
        StagePlan(name="s", kind="steps", inputs=(), elements=(), on_error=on_error), Ledger().entry("n", "s")
    )
    makers = []
    for k, step in enumerate(steps):
        found = Step(step, {}, stage="s", step=step.__name__)
        makers.append(StepPart(found, stage, found.name, found.shape, counts_for_stage=not k))
    first = [MarkPart(stage, "in"), MarkPart(stage, "held")]
    runs = [Run(first if not k else [], is_async=False, yields=True) for k in range(len(steps))]
    runs.append(Run([OutPart("s")], is_async=False))
    feed = EdgeFeed(Edge("n → s"))
    generators = Generators(runs, makers, "n", is_async=False, books=StrandBooks(feed, runs, makers))
    return generators, stage


def pull(generators: Generators, items: Any) -> list[Any]:
    """Take all that comes, as a strand does."""
    generators.pull(items)
    taken: list[Any] = []
    while True:
        try:
            for item in generators.given:
                taken.append(item)  # noqa: PERF402 - what came before an error counts
            return taken
        except (SourceFailedError, StageFailedError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever they raise
            generators.begin_again(error)


def test_they_pull_through_each_other() -> None:
    generators, _ = made(once_more, once_more)
    assert pull(generators, iter([1, 2])) == [1, 1, 1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("steps", [[threes_break], [threes_break, once_more], [once_more, threes_break]])
def test_one_that_raises_is_made_anew_with_all_behind_it(steps: list[Any]) -> None:
    generators, stage = made(*steps)
    doubled = once_more in steps
    assert pull(generators, iter(range(1, 8))) == [n for n in (1, 2, 4, 5, 7) for _ in range(1 + doubled)]
    at = steps.index(threes_break)
    assert generators.makers[at].failed == (4 if at else 2)
    assert {failure.cause for failure in stage.failures} == {
        "threes_break: ValueError: 3 is a three", "threes_break: ValueError: 6 is a three"
    }  # fmt: skip
    if not at:
        assert stage.entry[Account.FAILED] == 2


def test_the_run_fails_where_the_stage_says_so() -> None:
    generators, _ = made(threes_break, on_error="fail")
    with pytest.raises(StageFailedError, match="stage s: threes_break: ValueError: 3 is a three"):
        pull(generators, iter(range(1, 8)))


def test_one_that_raises_without_taking_anything_is_not_made_for_ever() -> None:
    generators, _ = made(breaks_at_the_end)
    with pytest.raises(StageFailedError, match="what is left; it had taken nothing since it was made"):
        pull(generators, iter([1, 2]))


@pytest.mark.parametrize("steps", [[], [once_more], [once_more, threes_break]])
def test_a_source_that_raises_is_named(steps: list[Any]) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the cable")

    generators, _ = made(*steps)
    with pytest.raises(SourceFailedError, match="source n: OSError: the cable"):
        pull(generators, broken())


def test_one_that_cannot_begin_is_named() -> None:
    generators, stage = made(once_more)
    generators.makers[0].call = lambda upstream: 1 // 0
    with pytest.raises(StageFailedError, match="stage s: once_more could not begin: ZeroDivisionError"):
        generators.pull(iter([1]))
    assert [failure.item for failure in stage.failures] == ["None"]
