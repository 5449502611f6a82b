"""Looking at a pipeline that answers, is between runs, goes, and comes back."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from penstock.compat.tango import watch
from penstock.compat.tango.watch import Watch
from penstock.errors import ServiceError, StateError
from penstock.monitor.report import books_of_nothing


class Pipeline:
    """Answers as a connection does."""

    def __init__(self) -> None:
        self.run = "r1"
        self.has_run = self.answers = True
        self.asked: list[Any] = []
        self.closed = 0
        self.said = [SimpleNamespace(number=n, action="next", reason="", event=n, who="fit") for n in (1, 2)]

    def connect(self, address: str, *, token: str | None, timeout_s: float) -> "Pipeline":
        self._must_answer()
        return self

    @property
    def status(self) -> Any:
        self._must_answer()
        if not self.has_run:
            raise StateError("no run has begun")
        return msgspec.to_builtins(books_of_nothing("analysis", self.run))

    @property
    def states(self) -> Any:
        return {
            "pipeline": "analysis",
            "run": self.run,
            "state": "processing",
            "states": [],
            "allowed": [] if self.has_run else ["arm"],
        }

    @property
    def parameters(self) -> "Pipeline":
        return self

    def describe(self) -> list[dict[str, Any]]:
        if not self.has_run:
            raise StateError("no run goes on")
        self.asked.append("parameters")
        return [{"address": "fit.roi"}]

    def feedback(self, after: int = 0, wait_s: float = 0.0) -> list[Any]:
        self.asked.append(after)
        return [each for each in self.said if each.number > after]

    def close(self) -> None:
        self.closed += 1

    def _must_answer(self) -> None:
        if not self.answers:
            raise ServiceError("nobody answers")


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    made = Pipeline()
    monkeypatch.setattr(watch, "connect", made.connect)
    return made


def test_feedback_is_asked_for_behind_what_was_heard(pipeline: Pipeline) -> None:
    it = Watch("http://analysis:8400")
    assert [each.number for each in it.look().heard] == [2]
    pipeline.said.append(SimpleNamespace(number=3, action="stop", reason="enough", event=9, who="fit"))
    assert [each.action for each in it.look().heard] == ["stop"]
    assert [after for after in pipeline.asked if after != "parameters"] == [0, 2]
    pipeline.run, pipeline.said = "r2", []
    assert it.look().heard == []


def test_parameters_are_asked_for_again_when_told_to_and_in_another_run(pipeline: Pipeline) -> None:
    it = Watch("http://analysis:8400")
    pipeline.said = []
    it._due_s = 0.0
    seen = it.look()
    assert (seen.parameters, seen.why) == ([{"address": "fit.roi"}], "")
    it._due_s = float("inf")  # as if they were large
    it.look()
    assert pipeline.asked.count("parameters") == 1
    it.refresh()
    assert it.look().asked_s > seen.asked_s
    it._due_s = float("inf")
    pipeline.run = "r2"
    it.look()
    assert pipeline.asked.count("parameters") == 3


def test_one_that_goes_is_looked_for(pipeline: Pipeline) -> None:
    it = Watch("http://analysis:8400")
    pipeline.answers = False
    assert (it.look().why, it.look().report) == ("nobody answers", None)
    with pytest.raises(ServiceError, match="nobody answers at http://analysis:8400"):
        _ = it.connection
    pipeline.answers = True
    assert it.look().report is not None
    found: Any = it.connection
    assert found is pipeline
    pipeline.answers = False
    assert it.look().why == "nobody answers"
    assert pipeline.closed == 1


def test_before_the_first_run_there_is_a_report_of_nothing(pipeline: Pipeline) -> None:
    pipeline.has_run, pipeline.run = False, ""
    seen = Watch("http://analysis:8400").look()
    assert seen.report is not None
    assert (seen.report.pipeline, seen.report.outcome, seen.parameters) == ("analysis", "", [])
    assert seen.states["allowed"] == ["arm"]


def test_whoever_answers_otherwise_is_no_pipeline(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    answer: Any = True  # as the port of dranspose's reducer says
    monkeypatch.setattr(Pipeline, "status", property(lambda _: dict(answer)))
    assert "whoever answers at http://analysis:5001 is no pipeline" in Watch("http://analysis:5001").look().why
    assert pipeline.closed == 1
