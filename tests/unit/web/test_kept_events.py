"""Kept events over HTTP: who keeps any, the events in words, and whole."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from penstock.core.event import event_type
from penstock.core.message import Message
from penstock.views.event_memory import EventMemory, make_event_file
from penstock.views.shared_tree import TreeReader
from penstock.web.gate import Gate
from penstock.web.shown_views import ShownViews
from penstock.wire.kept_events import PackedEvent, read_event, split_records
from tests.unit.web.shown import FakeLine, application, ask, detail

NO_VIEWS: dict[str, TreeReader] = {}


@pytest.fixture
def app() -> Iterator[Any]:
    fd = make_event_file("last")
    writer = EventMemory(fd, is_writable=True)
    writer.begin(5, 1 << 20)
    kind = event_type(("camera", "motor"))
    for k in range(7):
        message = Message(k + 1, k, 0, {"x": np.nan if k == 6 else k}, np.full((3, 4), k, np.int16))
        writer.keep([PackedEvent(kind(k, (message, (Message(1), Message(2)) if k % 2 else None)))])
    yield application(ShownViews(NO_VIEWS), FakeLine(), events={"last": EventMemory(fd)})
    os.close(fd)


def test_who_keeps_events_is_listed(app: Any) -> None:
    (found,) = ask(app, "GET", "events").json()
    assert {name: found[name] for name in ("stage", "kept", "n", "numbers")} == {
        "stage": "last", "kept": 7, "n": 5, "numbers": [2, 3, 4, 5, 6],
    }  # fmt: skip
    assert ask(application(ShownViews(NO_VIEWS), FakeLine()), "GET", "events").json() == []


def test_events_are_told_without_their_arrays(app: Any) -> None:
    odd, even = ask(app, "GET", "events/last?last=2").json()
    assert (odd["number"], len(odd["parts"]["motor"]), even["number"], even["parts"]["motor"]) == (5, 2, 6, None)
    camera = even["parts"]["camera"]
    assert (camera["key"], camera["metadata"]) == (6, {"x": None})  # what JSON cannot say
    assert camera["arrays"] == [{"dtype": "int16", "shape": [3, 4], "nbytes": 24, "encoding": ""}]


def test_events_are_given_whole(app: Any) -> None:
    answer = ask(app, "GET", "events/last?format=raw&number=4")
    (record,) = split_records(answer.content)
    event: Any = read_event(record)
    assert (event.number, event["camera"].array.tolist()) == (4, [[4] * 4] * 3)
    assert (answer.headers["X-Penstock-Events"], answer.headers["X-Penstock-Left-Off"]) == ("1", "0")
    some = ask(app, "GET", f"events/last?format=raw&max_bytes={3 * record.nbytes}")
    assert (some.headers["X-Penstock-Events"], some.headers["X-Penstock-Left-Off"]) == (
        "2",
        "3",
    )  # those with two more messages are larger


def test_what_cannot_be_had_is_refused_with_what_would_be_right(app: Any) -> None:
    answer = ask(app, "GET", "events/fit")
    assert (answer.status_code, detail(answer)) == (404, "no stage 'fit' keeps events; there are last")
    answer = ask(app, "GET", "events/last?format=raw&max_bytes=10")
    assert answer.status_code == 413
    assert "more than 10 bytes" in detail(answer)
    assert ask(app, "GET", "events/last?last=0").status_code == 422


def test_a_viewer_may_look(app: Any) -> None:
    gate = Gate(app, "look", "turn", ("localhost",))
    assert ask(gate, "GET", "events/last", headers={"Authorization": "Bearer look"}).status_code == 200
    assert ask(gate, "GET", "events/last").status_code == 401
