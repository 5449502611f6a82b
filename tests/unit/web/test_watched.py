"""Health, metrics, notices and history over HTTP, with a supervisor that is a fake."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.errors import PenstockError, StateError
from penstock.web.gate import OPEN_PATHS, Gate
from penstock.web.shown_views import ShownViews
from penstock.web.supervisor_line import LateAnswerError
from tests.unit.web.shown import NOTICE, REPORT, FakeLine, application, ask, published


@pytest.fixture
def views() -> Iterator[ShownViews]:
    with published() as (_, found):
        yield found


class Line(FakeLine):
    """A supervisor that says how the run is, or that it cannot."""

    def __init__(self, outcome: str = "running", state: str = "", raises: PenstockError | None = None) -> None:
        super().__init__()
        self.report_ = copy.deepcopy(REPORT)
        self.report_["outcome"] = outcome
        self.report_["states"] = [{"name": "demo", "kind": "pipeline", "state": state, "of": ""}] if state else []
        self.raises = raises

    async def report(self) -> Any:
        if self.raises is not None:
            raise self.raises
        return self.report_


def health(app: Any) -> list[tuple[int, str]]:
    found = [ask(app, "GET", f"/health{path}") for path in ("", "/live", "/ready")]
    return [(answer.status_code, answer.json()["status"]) for answer in found]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (Line(), [(200, "ok"), (200, "ok"), (200, "ok")]),
        (Line(state="initialised"), [(200, "ok"), (200, "ok"), (503, "ok")]),
        (Line(state="processing"), [(200, "ok"), (200, "ok"), (200, "ok")]),
        (Line(state="degraded"), [(200, "degraded"), (200, "degraded"), (200, "degraded")]),
        (Line(state="fault"), [(503, "fault"), (200, "fault"), (503, "fault")]),
        (Line("finished"), [(200, "ok"), (200, "ok"), (503, "ok")]),
        (Line("incomplete"), [(200, "degraded"), (200, "degraded"), (503, "degraded")]),
        (Line("failed"), [(503, "fault"), (200, "fault"), (503, "fault")]),
        (Line(raises=LateAnswerError("not in time")), [(503, "fault"), (503, "fault"), (503, "fault")]),
        (Line(raises=StateError("between two runs")), [(200, "ok"), (200, "ok"), (503, "ok")]),
    ],
)
def test_health_is_one_word_and_a_code(views: ShownViews, line: Line, said: list[tuple[int, str]]) -> None:
    assert health(application(views, line)) == said


def test_health_needs_no_token_and_no_name_and_nothing_else_goes_without(views: ShownViews) -> None:
    inner = application(views, Line())
    for gate in (Gate(inner, "look", "turn", ()), Gate(inner, "", "", ("localhost",))):
        for path in sorted(OPEN_PATHS):
            assert ask(gate, "GET", path, headers={"host": "10.0.0.7:8400"}).status_code in (200, 204)
            assert ask(gate, "POST", path, headers={"host": "10.0.0.7:8400"}).status_code in (401, 403)
        for path in ("/metrics", "/api/v1/notices", "/api/v1/history", "/healthy", "/health/../metrics"):
            assert ask(gate, "GET", path, headers={"host": "10.0.0.7:8400"}).status_code in (401, 403)
    viewer = {"authorization": "Bearer look"}
    assert ask(Gate(inner, "look", "turn", ()), "GET", "/metrics", headers=viewer).status_code == 200


def test_metrics_are_text_for_prometheus(views: ShownViews) -> None:
    answer = ask(application(views, Line()), "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'penstock_edge_arrived_total{consumer="b",producer="a"} 3.0' in answer.text.splitlines()


def test_notices_and_history_are_asked_of_the_supervisor(views: ShownViews) -> None:
    line = Line()
    app = application(views, line)
    assert ask(app, "GET", "notices", params={"level": "alarm", "most": 5}).json() == [NOTICE]
    asked = {"name": ["edge.a.b.arrived", "x"], "since_s": 60, "most": 10}
    assert ask(app, "GET", "history", params=asked).json()["series"] == {"edge.a.b.arrived": [3.0], "x": [3.0]}
    assert ask(app, "GET", "history").json()["names"] == ["edge.a.b.arrived"]
    assert line.asked == [
        ("notices", {"level": "alarm", "most": 5}),
        ("history", {"names": ["edge.a.b.arrived", "x"], "since_s": 60.0, "most": 10}),
        ("history", {"names": None, "since_s": None, "most": 300}),
    ]
    for path, wrong in (("notices", {"level": "loud"}), ("notices", {"most": 0}), ("history", {"since_s": -1})):
        assert ask(app, "GET", path, params=wrong).status_code == 422


def test_before_the_first_run_nothing_is_asked(views: ShownViews) -> None:
    from penstock.web.app import make_app

    line = FakeLine()
    app = make_app(views, line, pipeline="demo", run="", version="0")  # type: ignore[arg-type]  # a fake
    assert ask(app, "GET", "notices").json() == []
    assert ask(app, "GET", "history").json() == {"times": [], "series": {}, "names": []}
    assert ask(app, "GET", "/metrics").status_code == 200
    assert health(app) == [(200, "ok"), (200, "ok"), (503, "ok")]
    assert line.asked == []
