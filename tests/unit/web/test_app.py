"""The HTTP interface, with views that lie in shared memory and a supervisor that is a fake."""

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from penstock.views.blocks import FEWER, Fewer, blocks_of
from penstock.views.shared_tree import TreeWriter
from penstock.web import answer_room, shown_views
from penstock.web import app as application_module
from penstock.web.shown_views import ShownViews
from tests.unit.web.shown import REPORT, FakeLine, application, ask, detail, published, tree


@pytest.fixture
def writer_and_views() -> Iterator[tuple[TreeWriter, ShownViews]]:
    with published() as both:
        yield both


@pytest.fixture
def writer(writer_and_views: tuple[TreeWriter, ShownViews]) -> TreeWriter:
    return writer_and_views[0]


@pytest.fixture
def line() -> FakeLine:
    return FakeLine()


@pytest.fixture
def app(writer_and_views: tuple[TreeWriter, ShownViews], line: FakeLine) -> Any:
    return application(writer_and_views[1], line)


def test_views_are_listed_with_what_they_say_of_themselves(app: Any) -> None:
    found = {view["name"]: view for view in ask(app, "GET", "views").json()}
    assert list(found) == ["image/map/Fe", "image/current", "image/count", "image/note"]
    iron = found["image/map/Fe"]
    assert (iron["shape"], iron["dtype"], iron["unit"], iron["title"]) == ([40, 50], "<f8", "counts", "Iron")
    assert iron["axes"] == [{"name": "y", "unit": "µm"}, {"name": "x", "unit": "µm"}]
    assert (iron["version"], iron["position"], iron["grows"]) == (3, 9, False)
    assert found["image/current"]["grows"]
    assert found["image/count"]["shape"] == []


def test_one_view_tells_the_values_of_its_axes(app: Any) -> None:
    axes = ask(app, "GET", "views/image/map/Fe").json()["axes"]
    assert axes[0]["values"] == list(range(40))
    assert axes[1]["values"] is None


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("", ...),
        ("3:7,::2", np.s_[3:7, ::2]),
        ("-1", -1),
        ("5,6", (5, 6)),
        ("...,0", np.s_[..., 0]),
        ("2:2", np.s_[2:2]),
    ],
)
@pytest.mark.parametrize("form", ["raw", "npy"])
def test_a_slice_has_the_same_bytes_as_numpys(app: Any, text: str, index: Any, form: str) -> None:
    answer = ask(app, "GET", "data/image/map/Fe", params={"slice": text, "format": form})
    expected = tree()["map"]["Fe"].array[index]
    head = answer.headers
    shape = tuple(int(n) for n in head["X-Penstock-Shape"].split(",") if n)
    found = (
        np.frombuffer(answer.content, head["X-Penstock-Dtype"]).reshape(shape)
        if form == "raw"
        else np.load(io.BytesIO(answer.content), allow_pickle=False)
    )
    assert found.shape == np.shape(expected)
    assert np.array_equal(found, expected, equal_nan=True)
    assert (head["X-Penstock-Version"], head["X-Penstock-Position"], head["ETag"]) == ("3", "9", '"3"')


def test_json_has_null_for_what_is_no_number(app: Any) -> None:
    found = ask(app, "GET", "data/image/map/Fe", params={"slice": "0,:3", "format": "json"}).json()
    assert found["data"] == [None, 1.0, 2.0]
    assert ask(app, "GET", "data/image/count", params={"format": "json"}).json()["data"] == 17
    assert ask(app, "GET", "data/image/note", params={"format": "json"}).json()["data"] == "steady"


def test_half_of_a_complex_number_may_be_no_number() -> None:
    assert shown_views.plain_numbers(np.array([complex(np.nan, 1)])) == [[None, 1.0]]


@pytest.mark.parametrize("fewer", [None, *FEWER])
@pytest.mark.parametrize("part", ["", "::2,5:"])
def test_fewer_elements_can_be_wanted(app: Any, fewer: Fewer | None, part: str) -> None:
    asked = {"max_bytes": 1000, "slice": part, **({"fewer": fewer} if fewer else {})}
    answer = ask(app, "GET", "data/image/map/Fe", params=asked)
    every = int(answer.headers["X-Penstock-Every"])
    assert every > 1
    assert answer.headers["X-Penstock-Fewer"] == (fewer or "mean")
    assert len(answer.content) <= 1000
    whole = tree()["map"]["Fe"].array
    expected = blocks_of(whole[::2, 5:] if part else whole, every, fewer or "mean")
    assert np.array_equal(np.frombuffer(answer.content).reshape(expected.shape), expected, equal_nan=True)


def test_of_very_much_not_all_is_looked_at(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_views, "MOST_READ", 4000)
    answer = ask(app, "GET", "data/image/map/Fe", params={"max_bytes": 1100, "fewer": "max"})
    assert answer.headers["X-Penstock-Every"] == "4"
    expected = blocks_of(tree()["map"]["Fe"].array[::2, ::2], 2, "max")
    assert np.array_equal(np.frombuffer(answer.content).reshape(expected.shape), expected)


def test_what_is_small_enough_is_sent_as_it_is(app: Any) -> None:
    answer = ask(app, "GET", "data/image/current", params={"max_bytes": 20})
    assert (answer.headers["X-Penstock-Dtype"], answer.headers["X-Penstock-Every"]) == ("<i4", "1")
    answer = ask(app, "GET", "data/image/current", params={"max_bytes": 19})
    assert (answer.headers["X-Penstock-Dtype"], answer.headers["X-Penstock-Every"]) == ("<f8", "3")
    assert np.frombuffer(answer.content).tolist() == [1.0, 3.5]
    assert "no max of" in detail(ask(app, "GET", "data/image/note", params={"fewer": "max"}))


def test_what_has_not_changed_is_not_sent_again(app: Any, writer: TreeWriter) -> None:
    again = {"If-None-Match": '"3"'}
    assert ask(app, "GET", "data/image/map/Fe", headers=again).status_code == 304
    assert ask(app, "GET", "data/image/map/Cu", headers=again).status_code == 404
    writer.publish(tree(2.0), position=10, version=4)
    answer = ask(app, "GET", "data/image/map/Fe", headers=again, params={"slice": "1,1"})
    assert (answer.status_code, np.frombuffer(answer.content)[0]) == (200, 102.0)


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("data/image/map/Fx", 404, 'did you mean "image/map/Fe"?'),
        ("data/image/map", 404, "is a branch"),
        ("data/nobody/x", 404, "there are image, later"),
        ("data/later/x", 404, "has published nothing yet"),
        ("views/image/nothing_like_it_at_all", 404, "there are image/map/Fe"),
        ("data/image/map/Fe?slice=40", 422, "40 is outside dimension 0, which has 40"),
        ("data/image/map/Fe?slice=1,2,3", 422, "3 entries for 2 dimensions"),
        ("data/image/map/Fe?slice=import", 422, "selects nothing"),
        ("data/image/map/Fe?format=pickle", 422, "format"),
        ("data/image/map/Fe?max_bytes=0", 422, "max_bytes"),
        ("data/image/map/Fe?slice=" + "1" * 300, 422, "slice"),
        ("data/image/ragged", 422, "lists of equal lengths"),
        ("no/such/thing", 404, "Not Found"),
    ],
)
def test_what_is_wrong_is_said(app: Any, path: str, code: int, said: str) -> None:
    answer = ask(app, "GET", path)
    assert answer.status_code == code
    assert said in detail(answer)


def test_more_than_an_answer_holds_is_refused(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_views, "MOST_BYTES", 1000)
    monkeypatch.setattr(application_module, "SMALL_BYTES", 1000)
    monkeypatch.setattr(application_module, "MOST_JSON", 3)
    answer = ask(app, "GET", "data/image/map/Fe")
    assert answer.status_code == 413
    assert "16,000 bytes are asked for" in detail(answer)
    assert ask(app, "GET", "data/image/current", params={"format": "json"}).status_code == 413


def test_no_more_is_under_way_at_a_time_than_memory_is_held_for(
    writer_and_views: tuple[TreeWriter, ShownViews], line: FakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_module, "SMALL_BYTES", 1000)
    monkeypatch.setattr(answer_room, "MOST_UNSENT", 40_000)
    unsent = [0]
    app = application(writer_and_views[1], line, unsent=lambda: unsent[0])
    for waits, code in ((0, 200), (24_000, 200), (24_001, 503), (0, 200)):
        unsent[0] = waits
        answer = ask(app, "GET", "data/image/map/Fe")
        assert answer.status_code == code
        assert code == 200 or "16,000 bytes are asked for, and 24,001 are being sent to others" in detail(answer)
    unsent[0] = 40_000
    assert ask(app, "GET", "data/image/map/Fe", params={"slice": "0"}).status_code == 200, "small parts always go"
    unsent[0] = 0
    for _ in range(5):  # what was refused holds nothing
        assert ask(app, "GET", "data/image/map/Fe", params={"fewer": "max", "slice": "70"}).status_code == 422
        assert ask(app, "GET", "data/image/map/Fe").status_code == 200


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain", "application/json"])
def test_what_goes_in_is_taken_for_json_whatever_it_is_called(app: Any, line: FakeLine, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    body = b'{"values": {"roi": 3}}'
    assert ask(app, "PUT", "parameters", content=body, headers=headers).json()["from_event"] == 7
    assert ask(app, "POST", "run/stop", content=b"{}", headers=headers).status_code == 200
    for wrong, said in ((b"5", "object"), (b"roi=3", "JSON"), (b"", "required")):
        answer = ask(app, "PUT", "parameters", content=wrong, headers=headers)
        assert answer.status_code == 422
        assert said in str(answer.json()["detail"])


@pytest.mark.parametrize(("beside", "threads"), [(1000, 1), (1 << 20, 0)])
def test_a_large_part_is_copied_beside_and_others_at_once(
    app: Any, monkeypatch: pytest.MonkeyPatch, beside: int, threads: int
) -> None:
    monkeypatch.setattr(application_module, "SMALL_BYTES", 500)
    monkeypatch.setattr(application_module, "BESIDE_BYTES", beside)
    begun: list[Any] = []

    async def to_thread(function: Any) -> Any:
        begun.append(function)
        return function()

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    assert len(ask(app, "GET", "data/image/map/Fe").content) == 16_000
    assert len(begun) == threads


def test_status_and_ledger(app: Any, line: FakeLine) -> None:
    assert ask(app, "GET", "status").json() == REPORT
    assert ask(app, "GET", "ledger").json() == {"outcome": "running", "adds_up": True, "edges": REPORT["edges"]}
    about = {"pipeline": "demo", "run": "r1", "version": "0"}
    assert ask(app, "GET", "run").json() == {**about, "ended": False, "outcome": ""}
    line.last = {**REPORT, "outcome": "incomplete"}
    assert ask(app, "GET", "status").json()["outcome"] == "incomplete"
    assert ask(app, "GET", "run").json() == {**about, "ended": True, "outcome": "incomplete"}


def test_parameters_are_set_together(app: Any, line: FakeLine) -> None:
    answer = ask(app, "PUT", "parameters", json={"values": {"roi": 3}, "who": "me"})
    assert answer.json()["from_event"] == 7
    assert line.asked == [("set", {"values": {"roi": 3}, "who": "me"})]


@pytest.mark.parametrize("workers", [3, "auto"])
def test_a_stage_is_given_a_number_of_workers_or_goes_by_the_load(app: Any, line: FakeLine, workers: Any) -> None:
    assert ask(app, "PUT", "stages/fit/workers", json={"workers": workers}).status_code == 200
    assert line.asked == [("scale", {"stage": "fit", "workers": workers})]


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "said"),
    [
        ("PUT", "parameters", {"values": {"unknown": 3}}, 404, "there are fit.roi"),
        ("PUT", "parameters", {"values": {"roi": "wide"}}, 422, "a number is wanted"),
        ("PUT", "parameters", {"values": {}}, 422, "values"),
        ("PUT", "parameters", {"roi": 3}, 422, "values"),
        ("PUT", "stages/sum/workers", {"workers": 2}, 422, "there are fit"),
        ("PUT", "stages/fit/workers", {"workers": 0}, 422, "workers"),
        ("PUT", "stages/fit/workers", {"workers": "2"}, 422, "workers"),
        ("POST", "run/stop", {"now": True}, 422, "now"),
    ],
)
def test_what_cannot_be_turned_is_said(app: Any, method: str, path: str, body: Any, code: int, said: str) -> None:
    answer = ask(app, method, path, json=body)
    assert answer.status_code == code
    assert said in detail(answer)


def test_after_the_end_nothing_can_be_turned(app: Any, line: FakeLine) -> None:
    line.last = REPORT
    for method, path, body in (("PUT", "parameters", {"values": {"roi": 1}}), ("POST", "run/stop", {})):
        assert ask(app, method, path, json=body).status_code == 409


def test_the_graph_and_the_page_are_there(app: Any) -> None:
    assert ask(app, "GET", "graph").text == "<svg/>"
    assert ask(app, "GET", "../../").headers["content-type"].startswith("text/html")


def test_a_viewer_that_has_gone_is_no_error(app: Any) -> None:
    scope = {
        "type": "websocket", "path": "/api/v1/changes", "raw_path": b"/api/v1/changes", "query_string": b"",
        "headers": [(b"host", b"localhost")], "subprotocols": [], "root_path": "", "scheme": "ws",
    }  # fmt: skip
    heard = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1005}])
    sent: list[str] = []

    async def receive() -> Any:
        return next(heard)

    async def send(message: Any) -> None:
        sent.append(message["type"])
        if message["type"] != "websocket.accept":
            raise OSError("there is nobody")

    asyncio.run(app(scope, receive, send))
    assert sent == ["websocket.accept", "websocket.close"]


def test_a_command_is_answered_with_a_reply(app: Any, line: FakeLine) -> None:
    answer = ask(app, "POST", "commands", json={"name": "stop-data", "target": "camera", "id": "1", "who": "me"})
    assert answer.status_code == 200
    assert answer.json() == {
        "type": "reply", "id": "1", "name": "stop-data", "target": "camera", "outcome": "done", "text": "camera held",
        "problem": "", "state": "processing", "allowed": [], "body": None,
    }  # fmt: skip
    assert line.operator.run.done == ["hold camera"]
    assert ask(app, "POST", "commands", json={"name": "stop-data", "target": "camera", "id": "1", "who": "me"}).json()
    assert line.operator.run.done == ["hold camera"], "the same id does nothing twice"
    (record,) = ask(app, "GET", "commands").json()
    assert (record["who"], record["door"], record["name"], record["outcome"]) == ("me", "http", "stop-data", "done")
    states = ask(app, "GET", "states").json()
    assert (states["pipeline"], states["run"], states["state"]) == ("demo", "r1", "processing")
    assert states["states"][1]["why"] == "held"
    assert "stop" in states["allowed"]
    assert states["commands"]["received"] == 2


@pytest.mark.parametrize(
    ("wish", "code", "said"),
    [
        ({"name": "strat"}, 404, 'did you mean "start"?'),
        ({"name": "stop-data", "target": "camra"}, 404, 'did you mean "camera"?'),
        ({"name": "scale", "target": "fit"}, 422, "scale lacks workers"),
        ({"name": "arm"}, 409, "a run goes on"),
        ({"name": "stop", "id": "1", "now": True}, 422, "Extra inputs"),
        ({"name": "stop", "who": "\n"}, 422, "that can be printed"),
        ({}, 422, "required"),
    ],
)
def test_a_command_that_cannot_be_is_refused_with_a_reply(
    app: Any, line: FakeLine, wish: Any, code: int, said: str
) -> None:
    answer = ask(app, "POST", "commands", json=wish)
    assert answer.status_code == code
    assert said in str(answer.json()["detail"])
    assert line.operator.run.done == []


def test_too_many_commands_and_what_breaks_have_codes_of_their_own(app: Any, line: FakeLine) -> None:
    line.operator.run.breaks = ZeroDivisionError("ours")
    answer = ask(app, "POST", "commands", json={"name": "stop"})
    assert (answer.status_code, answer.json()["outcome"], answer.json()["problem"]) == (500, "failed", "broken")
    codes = [ask(app, "POST", "commands", json={"name": "status"}).status_code for _ in range(101)]
    assert set(codes[:99]) == {200}
    assert codes[99:] == [503, 503]
