"""Access, reports, changes, journal, recordings and replays over HTTP, with a supervisor that is a fake."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import StateError
from penstock.web.gate import Gate
from penstock.web.shown_views import ShownViews
from penstock.web.supervisor_line import UnknownError
from tests.unit.web.shown import REPORT, FakeLine, application, ask, detail, published


@pytest.fixture
def views() -> Iterator[ShownViews]:
    with published() as (_, found):
        yield found


class Line(FakeLine):
    """A supervisor that remembers what it was asked."""

    async def ask(self, what: str, body: Any = None) -> Any:
        if what == "run" and body["run"] != "r0":
            raise UnknownError(f"no run {body['run']!r} has left a report here; kept are r0")
        if what == "replay" and body["run"] == "full":
            raise StateError("4 replays go on, and no more at a time; end one of them")
        if what in ("run", "journal", "parameter-changes", "replays", "replay", "end-replay"):
            self.asked.append((what, body))
            return {"asked": what}
        return await super().ask(what, body)


def test_the_role_is_that_of_the_token(views: ShownViews) -> None:
    gate = Gate(application(views, Line()), "look", "turn", ("localhost",))
    for token, role in (("look", "viewer"), ("turn", "operator")):
        answer = ask(gate, "GET", "access", headers={"authorization": f"Bearer {token}"})
        assert answer.json() == {"role": role}
    assert ask(gate, "GET", "access").status_code == 401
    assert ask(application(views, Line()), "GET", "access").json() == {"role": "operator"}


def test_the_present_run_is_told_as_it_is_now_and_others_as_they_ended(views: ShownViews) -> None:
    app = application(views, Line())
    assert ask(app, "GET", "runs/r1").json() == REPORT
    assert ask(app, "GET", "runs/r0").json() == {"asked": "run"}
    answer = ask(app, "GET", "runs/none")
    assert (answer.status_code, detail(answer)) == (404, "no run 'none' has left a report here; kept are r0")


def test_what_is_wanted_of_the_journal_is_passed_on(views: ShownViews) -> None:
    line = Line()
    app = application(views, line)
    assert ask(app, "GET", "journal?after=7&kind=state&kind=death&level=info&text=Hot&most=5").status_code == 200
    wish = {"after": 7, "kinds": ["state", "death"], "level": "info", "text": "Hot", "most": 5}
    assert line.asked == [("journal", wish)]
    for wrong in ("after=-1", "kind=nothing", "level=warning", "most=0", "most=1001", f"text={201 * 'x'}"):
        assert ask(app, "GET", f"journal?{wrong}").status_code == 422
    assert ask(app, "GET", "parameters/changes?most=3").status_code == 200
    assert line.asked[1:] == [("parameter-changes", {"most": 3})]


def test_replays_are_begun_and_ended_by_operators(views: ShownViews) -> None:
    line = Line()
    app = Gate(application(views, line), "look", "turn", ("localhost",))

    def post(path: str, body: Any, token: str = "turn") -> Any:
        return ask(app, "POST", path, json=body, headers={"authorization": f"Bearer {token}"})

    assert post("replays", {"run": "r1"}, "look").status_code == 403
    assert post("replays/r1-again-1/end", {}, "look").status_code == 403
    assert line.asked == []
    assert post("replays", {"run": "r1", "values": {"fit.roi": 3}, "speed": 1, "who": "me"}).status_code == 200
    wish = {"run": "r1", "beamtime": "", "values": {"fit.roi": 3}, "first": 0, "speed": 1.0, "who": "me"}
    assert post("replays/r1-again-1/end", {"who": "me"}).status_code == 200
    assert line.asked == [("replay", wish), ("end-replay", {"run": "r1-again-1", "who": "me"})]
    assert post("replays", {"run": "full"}).status_code == 409
    for wrong in ({}, {"run": ""}, {"run": "r1", "speed": -1}, {"run": "r1", "first": -1}, {"run": "r1", "x": 1}):
        assert post("replays", wrong).status_code == 422


def test_a_store_that_nobody_has_made_has_no_runs(views: ShownViews, tmp_path: Path) -> None:
    for store in ("", str(tmp_path / "none")):
        answer = ask(application(views, Line(), store=store), "GET", "recordings")
        assert answer.json() == {"store": store, "runs": []}
    assert not (tmp_path / "none").exists()
