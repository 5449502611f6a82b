"""Items to browsers: each gets them at its own pace, the page shows them, and strangers see nothing."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from penstock.elements.browser_gate import TOKEN_VARIABLE
from penstock.elements.item_broadcast import AHEAD
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.websocket import WebsocketSink
from penstock.errors import SinkError
from penstock.views import ArrayView
from pictures.browser import Browser, Shown, what_is_missing

FACTS = RunFacts(pipeline="supernova", run="r", sink="page")
DEADLINE_S = 30.0


@contextmanager
def opened(**arguments: Any) -> Iterator[WebsocketSink]:
    sink = WebsocketSink(**{"port": 0, **arguments})
    sink.open(FACTS)
    try:
        yield sink
    finally:
        sink.close(ended_well=True)
        assert not [each for each in threading.enumerate() if each.name == "items to browsers"]


@contextmanager
def listening_to(sink: WebsocketSink, query: str = "", **options: Any) -> Iterator[ClientConnection]:
    """A client that is known to be connected."""
    before = status(sink)["clients"]
    with connect(f"{local(sink, 'ws')}/items{query}", proxy=None, **options) as client:
        wait(lambda: status(sink)["clients"] > before)
        yield client


def local(sink: WebsocketSink, kind: str = "http") -> str:
    return f"{kind}://127.0.0.1:{sink.address.rpartition(':')[2]}"


def status(sink: WebsocketSink) -> dict[str, int]:
    token = os.environ.get(TOKEN_VARIABLE)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    found: dict[str, int] = httpx.get(f"{local(sink)}/status", headers=headers, trust_env=False).json()
    return found


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not until():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def heard(client: ClientConnection, count: int) -> list[Any]:
    return [json.loads(client.recv(DEADLINE_S)) for _ in range(count)]


def test_everybody_gets_every_item_in_order() -> None:
    items = [{"n": n, "map": np.arange(3)} for n in range(200)]
    with opened(keep=0) as sink, listening_to(sink) as first, listening_to(sink) as second:
        for item in items:
            sink.write(item)
        for client in (first, second):
            assert heard(client, 200) == [{"n": n, "map": [0, 1, 2]} for n in range(200)]
        assert status(sink) == {"clients": 2, "items": 200, "missed": 0}


def test_who_comes_later_gets_the_last_items_at_once() -> None:
    with opened(keep=3) as sink:
        for number in range(10):
            sink.write({"n": number})
        with listening_to(sink) as client:
            assert heard(client, 3) == [{"n": 7}, {"n": 8}, {"n": 9}]
            sink.write("more")
            assert heard(client, 1) == ["more"]


def test_what_waits_is_sent_before_the_end() -> None:
    with ExitStack() as stack:
        with opened() as sink:
            client = stack.enter_context(listening_to(sink))
            for number in range(100):
                sink.write(number)
        assert heard(client, 100) == list(range(100))
        with pytest.raises(ConnectionClosed):
            client.recv(DEADLINE_S)


def test_who_is_slow_misses_items_and_nobody_waits_for_it() -> None:
    large = "x" * 100_000
    with opened(keep=0) as sink, listening_to(sink) as quick, listening_to(sink, max_queue=1) as slow:
        seen: list[Any] = []
        reading = threading.Thread(target=lambda: seen.extend(quick.recv(DEADLINE_S)[:9] for _ in range(2 * AHEAD)))
        reading.start()
        for number in range(2 * AHEAD):
            sink.write(f"{number:06d} {large}")
            wait(lambda number=number: len(seen) > number - 50)  # type: ignore[misc]  # so that this one is never slow
        reading.join(DEADLINE_S)
        assert len(seen) == 2 * AHEAD
        assert sink.losses.total == status(sink)["missed"] > 0
        missed = sink.losses.total
        assert len([slow.recv(DEADLINE_S) for _ in range(2 * AHEAD - missed)]) > 0


def test_bytes_and_arrays_come_as_they_are() -> None:
    with opened(encoding="bytes", keep=0) as sink, listening_to(sink) as client:
        sink.write(b"\x00\xff")
        sink.write(np.arange(2, dtype="<u2"))
        assert [client.recv(DEADLINE_S), client.recv(DEADLINE_S)] == [b"\x00\xff", b"\x00\x00\x01\x00"]
        with pytest.raises(SinkError, match="use the encoding json"):
            sink.write("text")


def test_views_of_a_reducer_are_shown_as_they_are_now() -> None:
    with opened() as sink:
        sink.write({"map": {"counts": ArrayView((2,), np.int64)}})
        with listening_to(sink) as client:
            assert heard(client, 1) == [{"map": {"counts": [0, 0]}}]


def test_what_has_no_form_in_json_is_an_error() -> None:
    with opened() as sink, pytest.raises(SinkError, match="an item cannot be sent: a object cannot be written as JSON"):
        sink.write(object())


def test_the_next_free_port_is_taken_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with opened(port=port) as sink:
            assert sink.address != f"http://127.0.0.1:{port}"
            assert f"page: items on {sink.address}/\n" in capsys.readouterr().err


def refusals(sink: WebsocketSink, **headers: str) -> list[int]:
    """What the page, the status and the items answer."""
    codes = [
        httpx.get(f"{local(sink)}{path}", headers=headers, trust_env=False).status_code for path in ("/", "/status")
    ]
    others = {name: value for name, value in headers.items() if name != "Host"}
    try:
        with connect(f"{local(sink, 'ws')}/items", additional_headers=others, proxy=None):
            return [*codes, 101]
    except InvalidStatus as error:
        return [*codes, error.response.status_code]


def test_pages_of_other_sites_see_nothing() -> None:
    with opened() as sink:
        assert refusals(sink) == [200, 200, 101]
        assert refusals(sink, Origin="http://evil.example") == [403, 403, 403]
        assert refusals(sink, Host="evil.example:80")[:2] == [403, 403]


def test_with_a_token_only_who_has_it_sees_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "one & another")
    with opened(host="0.0.0.0") as sink:
        assert sink.address.startswith(f"http://{socket.gethostname()}:")
        assert refusals(sink) == [401, 401, 401]
        assert refusals(sink, Authorization="Bearer other") == [401, 401, 401]
        assert refusals(sink, Authorization="Bearer one & another") == [200, 200, 101]
        with listening_to(sink, "?token=one%20%26%20another") as client:
            sink.write(1)
            assert heard(client, 1) == [1]


def test_nobody_listens_beyond_this_machine_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(SinkError, match=f"can be reached from other machines: set {TOKEN_VARIABLE}"):
        WebsocketSink(host="0.0.0.0").open(FACTS)


def test_a_host_that_is_not_this_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "t")
    with pytest.raises(SinkError, match=r"192\.0\.2\.1: ports 8500 to 8599 cannot be had: "):
        WebsocketSink(host="192.0.2.1").open(FACTS)


def test_other_paths_are_refused_with_what_there_is() -> None:
    with opened() as sink:
        assert httpx.get(f"{sink.address}/nothing", trust_env=False).status_code == 404
        assert httpx.get(f"{sink.address}/items", trust_env=False).status_code == 426


@pytest.mark.parametrize(
    ("arguments", "says"),
    [({"port": 70_000}, "port is 70000"), ({"keep": -1}, "keep is -1"), ({"encoding": "xml"}, "encoding is 'xml'")],
)
def test_what_is_not_right_is_said_when_it_is_made(arguments: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        WebsocketSink(**arguments)


@pytest.fixture
def browser() -> Iterator[Shown]:
    if trouble := what_is_missing():
        pytest.skip(trouble)
    with Browser() as browser, browser.tab() as tab:
        yield tab


def cells(browser: Shown) -> list[list[str]]:
    found: list[list[str]] = browser.run(
        "return [...document.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    return found


def test_the_page_shows_items_live(browser: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    with opened(keep=2) as sink:
        sink.write({"detector": "IceCube", "p": 0.25})
        browser.open(sink.address)
        assert "a token is needed" in browser.run("return document.body.textContent")
        browser.open(f"{sink.address}/?token=secret")
        browser.wait("the first item", lambda: cells(browser) == [["detector", "p"], ["IceCube", "0.25"]])

        sink.write({"detector": "<b>KM3NeT</b>", "p": None, "lags": [1, {"s": 2}]})
        sink.write("plain")
        last = ["", "", "", "plain"]
        second = ["<b>KM3NeT</b>", "null", '[1,{"s":2}]', ""]
        expected = [["detector", "p", "lags", "item"], last, second, ["IceCube", "0.25", "", ""]]
        browser.wait("the others, newest first", lambda: cells(browser) == expected)
        assert browser.run("return document.querySelectorAll('b').length") == 0, "what is sent is never markup"
        assert browser.run("return document.title") == "supernova · page"
        said = "return [...document.querySelectorAll('header span')].map((each) => each.textContent)"
        assert browser.run(said) == ["3 items", "", "live"]

        for number in range(500):
            sink.write({"detector": "many", "p": number})
        browser.wait("the last of many", lambda: cells(browser)[1][:2] == ["many", "499"])
        assert len(cells(browser)) == 1 + 100
        assert [problem for problem in browser.problems() if "401" not in problem] == []
    browser.wait("the end", lambda: browser.run(said)[2] == "ended, or not to be reached")
