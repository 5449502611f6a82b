"""Whose argument a single one is, when it has no name."""

from collections.abc import Callable
from typing import Any

import pytest

from penstock.pipeline.bare import BareArgumentError, name_of_bare


class Window:
    def __init__(self, every_s: float, count: int = 0) -> None: ...


def item_function(item: Any, factor: float) -> Any: ...


def factory(limit: float) -> Any: ...


def optional_factory(limit: float = 1) -> Any: ...


def factory_of_two(n: int | None = None, wait_s: float | None = None) -> Any: ...


def ambiguous(item: Any, factor: float = 1) -> Any: ...


def two(item: Any, a: int, b: int) -> Any: ...


def fold(state: Any, value: Any, *, decay: float = 0.5) -> Any: ...


class Nothing: ...


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Window, "every_s"),
        (item_function, "factor"),
        (factory, "limit"),
        (optional_factory, "limit"),
        (factory_of_two, "n"),
    ],
)
def test_the_one_argument_it_can_be(target: Callable[..., Any], name: str) -> None:
    assert name_of_bare("step", target) == name


@pytest.mark.parametrize(
    ("target", "says"),
    [(ambiguous, "could be item or factor"), (two, "it takes no argument"), (Nothing, "it takes no argument")],
)
def test_guessing_is_refused(target: Callable[..., Any], says: str) -> None:
    with pytest.raises(BareArgumentError, match=says):
        name_of_bare("step", target)


def test_a_fold_is_begun_with_its_state() -> None:
    with pytest.raises(BareArgumentError, match="could be state or decay"):
        name_of_bare("reduce", fold)
