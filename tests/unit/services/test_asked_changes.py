"""Parameters of a run of processes: what is asked of the event builder, and what its answer changes."""

from typing import Any

import pytest

from penstock.core.parameters import Change
from penstock.core.timestamp import Timestamp
from penstock.errors import ParameterError
from penstock.pipeline import Join, Map, Pipeline, Source
from penstock.services.asked_changes import AskedChanges
from penstock.services.declared import declared_parameters
from penstock.testing import engine_cases as cases
from penstock.wire.supervision import SetParameters, WasSet
from penstock.wire.values import decode_value
from tests.unit.services.plan_cases import Weighted


class Line:
    """The event builder, as far as it is asked."""

    def __init__(self) -> None:
        self.said: list[SetParameters] = []
        self.asked: dict[int, Any] = {}

    def number(self, then: Any) -> int:
        self.asked[len(self.asked) + 1] = then
        return len(self.asked)

    def say(self, word: SetParameters) -> None:
        self.said.append(word)


def test_a_change_is_one_when_it_is_answered_and_numbers_those_on_their_way() -> None:
    plan = Pipeline(
        name="run",
        sources={name: Source(cases.Frames, n=1) for name in "ab"},
        events={"scan": Join("a", "b", by="order")},
        stages={"fit": Map(Weighted, source="scan")},
    ).plan()
    parameters, _ = declared_parameters(plan, {}, Timestamp(0))
    line: Any = Line()
    changes = AskedChanges(parameters, line)
    heard: list[Change] = []
    changes.ask({"gain": 2.0}, heard.append, "me")
    changes.ask({"fit.gain": 3.0}, heard.append)
    with pytest.raises(ParameterError):
        changes.ask({"gain": "loud"}, heard.append)
    assert [word.revision for word in line.said] == [1, 2]
    (address,) = decode_value(memoryview(line.said[0].values))
    assert parameters.latest.revision == 0
    line.asked[1](WasSet(1, 7))
    line.asked[2](WasSet(2, 9))
    assert [(each.revision, each.from_event, each.who) for each in heard] == [(1, 7, "me"), (2, 9, "")]
    assert parameters.latest[address] == 3.0
    changes.ask({"gain": 4.0}, heard.append)
    assert line.said[-1].revision == 3
