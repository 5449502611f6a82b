"""Views that user code keeps: one slot of each pool is its right, more is named, and what it lets go of comes back."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from penstock.elements.user_code import Step, Worker
from penstock.errors import UserCodeError
from penstock.services.kept_views import KeptViews
from penstock.services.line import SlotName
from tests.unit.services.line_cases import Builder


class Keeping:
    """User code that keeps what it likes."""

    def __init__(self) -> None:
        self.before: Any = None
        self.many: list[Any] = []
        self.by_name: dict[str, Any] = {}

    def process(self, item: Any) -> None:
        del item

    __call__ = process


class Case:
    """A worker, its pools of two slots each, and what it is lent."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.builder.tell_pool()
        self.worker = Worker(Keeping, stage="fit")
        self.user: Any = self.worker.call.__self__  # type: ignore[attr-defined]  # the method's own object
        self.kept = KeptViews(self.builder.line, "fit", lambda: [self.worker])

    def lend(self, slot: int) -> Any:
        """Return the images of a block in a slot."""
        block: Any = self.builder.line.read(self.builder.put(slot))
        return block.columns[0]

    def done(self, *slots: int) -> tuple[list[SlotName], list[SlotName]]:
        """Say that work on what lay in these is done; return what is kept of it, and what is no more."""
        return sorted(self.kept.after(map(name, slots))), sorted(self.kept.let_go())


def name(slot: int) -> SlotName:
    return ("detector", 1, slot)


@pytest.fixture
def case() -> Iterator[Case]:
    found = Case()
    yield found
    found.builder.close()


def test_who_keeps_nothing_has_nothing(case: Case) -> None:
    image = case.lend(0)[1].copy()
    assert case.done(0) == ([], [])
    assert image.tolist() == [2, 2, 2, 2]


def test_what_is_kept_of_one_slot_is_told_once_and_so_is_its_end(case: Case) -> None:
    case.user.before = case.lend(0)[1]
    assert case.done(0) == ([name(0)], [])
    assert case.done() == ([], [])
    case.user.before = None
    assert case.done() == ([], [name(0)])
    assert case.done() == ([], [])


def test_who_keeps_the_event_before_lets_go_of_the_one_before_that(case: Case) -> None:
    case.user.before = case.lend(0)[3]
    assert case.done(0) == ([name(0)], [])
    case.user.before = case.lend(1)[3]
    assert case.done(1) == ([name(1)], [name(0)])
    case.user.before = case.lend(0)[3]
    assert case.done(0) == ([name(0)], [name(1)])


def test_what_only_the_collector_has_not_found_is_let_go_of_and_no_offence(case: Case) -> None:
    cycle: list[Any] = [case.lend(0)]
    cycle.append(cycle)
    assert case.done(0) == ([name(0)], [])
    del cycle
    case.user.before = case.lend(1)
    assert case.done(1) == ([name(1)], [name(0)])


def keep_two(user: Any, how: str, views: Sequence[Any]) -> None:
    first, second = views
    match how:
        case "many":
            user.many += [first, second]
        case "by_name":
            user.by_name |= {"first": first, "lists": [second]}
        case "before":
            user.before = (first, second)


@pytest.mark.parametrize("how", ["many", "by_name", "before"])
def test_two_slots_of_one_pool_are_too_many_and_it_is_said_where(how: str, case: Case) -> None:
    keep_two(case.user, how, [case.lend(0)[1], case.lend(1)[0]])
    with pytest.raises(UserCodeError) as raised:
        case.done(0, 1)
    assert str(raised.value) == (
        f"stage fit: Keeping keeps arrays of 2 blocks of detector, such as in self.{how}; it may keep those of 1: "
        "keep copies instead, with array.copy()"
    )
    assert raised.value.stage == "fit"


def test_two_views_of_one_slot_are_not_two(case: Case) -> None:
    images = case.lend(0)
    case.user.many = [images[0], images[1:], np.asarray(images).reshape(-1)]
    del images
    assert case.done(0) == ([name(0)], [])


def test_views_that_lie_elsewhere_are_too_many_as_well(case: Case) -> None:
    elsewhere = [case.lend(0), case.lend(1)]
    with pytest.raises(UserCodeError, match="blocks of detector, somewhere; it may keep"):
        case.done(0, 1)
    elsewhere.clear()


def test_all_the_code_of_a_chain_is_named_once(case: Case) -> None:
    steps = [Step(Keeping, stage="fit", step=name) for name in ("first", "second", "first")]
    kept = KeptViews(case.builder.line, "fit", lambda: steps)
    held = [case.lend(0), case.lend(1)]
    with pytest.raises(UserCodeError, match="stage fit: first, second keeps arrays"):
        kept.after([name(0), name(1)])
    held.clear()


def test_copies_may_be_kept_of_as_much_as_one_likes(case: Case) -> None:
    case.user.many = [case.lend(0).copy(), case.lend(1)[2].copy()]
    assert case.done(0, 1) == ([], [])
