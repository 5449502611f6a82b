"""Durable streams over HTTP, with a real store: what is in it, and that looking changes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock.errors import UnknownStreamError
from penstock.web.stored_streams import StoredStreams
from tests.unit.web.shown import FakeLine, application, ask, detail, published

RUN = "c1/camera/run 7"
IMAGE = np.arange(60, dtype=np.uint16).reshape(6, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    where = str(tmp_path_factory.mktemp("streams") / "store")
    with penstock.open_store(where, make=True) as store:
        store.set_metadata("c1", {"pi": "somebody"})
        with store.producer(RUN) as out:
            for number in range(20):
                out.send(IMAGE + number, metadata={"energy_keV": 5.0 + number, "dark": number % 2 == 0})
            out.finish()
        with store.producer("c1/motor/run 7") as out:
            out.send(b"at 3 mm")
        with store.group(RUN, "fit", prefetch=4) as member:
            message = member.next(1)
            member.ack(message)
    return where


@pytest.fixture(scope="module")
def app(folder: str) -> Iterator[Any]:
    with published() as (_, views):
        yield application(views, FakeLine(), store=folder)


def say(app: Any, path: str) -> Any:
    answer = ask(app, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(app: Any, path: str) -> tuple[int, str]:
    answer = ask(app, "GET", path)
    return answer.status_code, detail(answer)


def test_streams_are_listed_the_newest_first(app: Any) -> None:
    found = say(app, "streams")
    assert [each["address"] for each in found["streams"]] == ["c1/motor/run 7", RUN]
    assert [(each["state"], each["count"]) for each in found["streams"]] == [("stalled", 1), ("finished", 20)]
    assert (found["is_there"], found["left_off"]) == (True, 0)
    assert say(app, "streams?most=1")["left_off"] == 1
    assert [each["address"] for each in say(app, "streams?within=c1/camera")["streams"]] == [RUN]


def test_all_that_is_known_of_a_stream_and_of_what_is_above_it(app: Any) -> None:
    found = say(app, f"streams/about/{RUN}")
    assert (found["count"], found["last_id"], found["gaps"]["ranges"]) == (20, 20, [])
    (group,) = found["groups"]
    assert (group["name"], group["lag"], group["acknowledged"]) == ("fit", 19, 1)
    assert say(app, "streams/about/c1")["metadata"] == {"pi": "somebody"}
    assert say(app, "streams/groups")[0]["address"] == RUN


def test_prometheus_reads_how_streams_and_groups_are(app: Any) -> None:
    text = ask(app, "GET", "/metrics").text
    assert f'penstock_stream_messages_total{{stream="{RUN}"}} 20.0' in text
    assert f'penstock_group_lag_messages{{group="fit",stream="{RUN}"}} 19.0' in text


def test_messages_come_page_by_page_the_last_ones_first(app: Any) -> None:
    found = say(app, f"streams/messages/{RUN}?most=3")
    assert ([each["id"] for each in found["messages"]], found["position"]) == ([18, 19, 20], 17)
    assert found["messages"][0]["metadata"] == {"energy_keV": 22.0, "dark": False}
    assert found["messages"][0]["arrays"] == [{"dtype": "uint16", "shape": [6, 10], "nbytes": 120, "encoding": ""}]
    found = say(app, f"streams/messages/{RUN}?position=0&most=2")
    assert [each["id"] for each in found["messages"]] == [1, 2]


def test_a_query_finds_messages_and_says_whether_these_are_all(app: Any) -> None:
    wanted = "meta.energy_keV > 10 AND meta.dark = TRUE ORDER BY _id DESC"
    found = say(app, f"streams/messages/{RUN}?query={wanted}")
    assert [each["id"] for each in found["messages"]] == [19, 17, 15, 13, 11, 9, 7]
    assert (found["looked_at"], found["is_whole"]) == (20, True)
    assert not say(app, f"streams/messages/{RUN}?most=2&query={wanted}")["is_whole"]
    code, text = refusal(app, f"streams/messages/{RUN}?query=meta.energy >")
    assert (code, "value" in text) == (422, True)


def test_a_query_that_takes_too_long_gives_what_it_has_found(tmp_path: Path) -> None:
    with penstock.open_store(tmp_path / "store", make=True) as store, store.producer("c1/slow/run 8") as out:
        for _ in range(3):
            out.send(b"x").wait()
    clock = iter(range(0, 60, 3))
    streams = StoredStreams(str(tmp_path / "store"), clock_s=lambda: float(next(clock)))
    found = streams.messages("c1/slow/run 8", query="_id > 0")
    assert (len(found["messages"]), found["looked_at"], found["is_whole"]) == (1, 1, False)
    streams.close()


def test_arrays_are_had_as_elements_whole_or_in_part(app: Any) -> None:
    answer = ask(app, "GET", f"streams/array/{RUN}?id=3")
    assert (answer.headers["X-Penstock-Shape"], answer.headers["X-Penstock-Dtype"]) == ("6,10", "<u2")
    assert np.array_equal(np.frombuffer(answer.content, np.uint16).reshape(6, 10), IMAGE + 2)
    found = say(app, f"streams/array/{RUN}?id=1&slice=:2,0&format=json")
    assert found["data"] == [0, 10]
    thin = say(app, f"streams/array/{RUN}?id=1&max_bytes=60&fewer=max&format=json")
    assert (thin["every"], thin["shape"], thin["data"][0][0]) == (2, [3, 5], 11)


def test_what_is_not_there_is_said(app: Any) -> None:
    for path, text in (
        ("streams/about/c1/camera/run 8", "did you mean"),
        ("streams/messages/c1/camera", "there is no stream"),
        (f"streams/array/{RUN}?id=21", "has no message 21"),
        (f"streams/array/{RUN}?id=1&buffer=1", "has 1 arrays"),
    ):
        code, said = refusal(app, path)
        assert (code, text in said) == (404, True), said
    assert refusal(app, f"streams/array/{RUN}?id=1&slice=a")[0] == 422
    assert refusal(app, "streams/about/a/b/c/d")[0] == 422


def test_where_nothing_was_recorded_nothing_is_made(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no store")
    streams = StoredStreams(nowhere)
    assert streams.streams() == {"store": nowhere, "is_there": False, "streams": [], "left_off": 0}
    assert streams.groups() == []
    for each in (streams, StoredStreams("")):
        with pytest.raises(UnknownStreamError, match="nothing was recorded"):
            each.about(RUN)
    assert not (tmp_path / "no store").exists()
    streams.close()
