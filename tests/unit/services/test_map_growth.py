"""Trigger maps of a run of processes that grow: what is appended waits until it can be told, and then is told once."""

import os
from collections.abc import Sequence
from typing import Any

import pytest

from penstock.core.map_addition import MapAddition
from penstock.core.trigger_map import TriggerMap
from penstock.errors import MapError, ServiceError, StateError
from penstock.pipeline import ByTriggerMap, Join, Map, Pipeline, Source
from penstock.services.blob import read_blob
from penstock.services.map_growth import MapGrowth
from penstock.testing import engine_cases as cases
from penstock.wire.supervision import Extend, Extended
from penstock.wire.values import decode_value


class Line:
    """The event builder, as far as it is told of maps."""

    def __init__(self) -> None:
        self.told: list[tuple[Extend, Any]] = []
        self.asked: dict[int, Any] = {}

    def number(self, then: Any) -> int:
        self.asked[len(self.asked) + 1] = then
        return len(self.asked)

    def say(self, word: Extend, *, fds: Sequence[int]) -> None:
        self.told.append((word, read_blob(os.dup(fds[0]))))


def growth(line: Line, **by: Any) -> MapGrowth:
    plan = Pipeline(
        name="run",
        sources={name: Source(cases.Frames, n=1) for name in "ab"},
        events={"scan": Join("a", "b", by=ByTriggerMap(**by))},
        stages={"map": Map(cases.number, source="scan")},
    ).plan()
    builder: Any = line
    return MapGrowth(plan, {}, builder)


def test_what_is_appended_is_told_when_it_can_be_once_and_the_answer_says_whether_it_was_taken() -> None:
    line = Line()
    found = growth(line, map={"a": {"events": 3}, "b": {"events": 3}}, open=True)
    found.open()
    heard: list[TriggerMap | StateError] = []
    found.extend("scan", {"a": {"events": 2}, "b": {"events": 2}}, heard.append)
    assert found.maps["scan"].length == 5
    assert line.told == []
    found.tell()
    found.tell()
    ((word, table),) = line.told
    assert word == Extend(1, "scan")
    assert MapAddition.of_table(decode_value(table)).table() is not None
    line.asked[1](Extended(1))
    line.asked[1](Extended(1, "the last event has been formed"))
    assert heard[0] is found.maps["scan"]
    assert isinstance(heard[1], StateError)


def test_what_is_wrong_changes_nothing() -> None:
    line = Line()
    found = growth(line, map={"a": {"events": 3}, "b": {"events": 3}})
    found.open()
    with pytest.raises(MapError):
        found.extend("scan", {"a": {"events": 2}, "b": {"events": 2}}, lambda grown: None)
    with pytest.raises(ServiceError):
        found.extend("scam", {}, lambda grown: None)
    found.tell()
    assert (line.told, found.maps["scan"].length) == ([], 3)
