"""Items to web services: taken, tried again, refused; texts to a chat; and no secret in any error."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from penstock.elements.sink import RunFacts, Sink
from penstock.elements.sinks.http import HttpSink
from penstock.elements.sinks.webhook import WebhookSink
from penstock.errors import SinkError
from penstock.views import ArrayView

FACTS = RunFacts(pipeline="p", run="r7", sink="out")


class Service(ThreadingHTTPServer):
    """A web service that answers what it is told to, in order, and 204 then."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.answers: list[tuple[int, dict[str, str], str]] = []
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.methods: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/secret"


class _Asked(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        self.server.methods.append(self.command)
        self.server.headers.append(dict(self.headers.items()))
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        code, headers, text = self.server.answers.pop(0) if self.server.answers else (204, {}, "")
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if code != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_PUT = do_POST

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Service() as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        yield service
        service.shutdown()
        thread.join()


def written(sink: Sink, *items: Any) -> None:
    sink.open(FACTS)
    try:
        for item in items:
            sink.write(item)
    finally:
        sink.close(ended_well=True)


def test_each_item_is_posted_as_json_in_order(service: Service) -> None:
    views = {"map": {"counts": ArrayView((2,), np.int64)}}
    written(HttpSink(service.url), {"n": 1, "spectrum": np.arange(3)}, [1.5], views)
    assert service.bodies == [{"n": 1, "spectrum": [0, 1, 2]}, [1.5], {"map": {"counts": [0, 0]}}]
    assert service.methods == ["POST"] * 3
    keys = [headers["Idempotency-Key"] for headers in service.headers]
    assert keys == ['"r7/out/1"', '"r7/out/2"', '"r7/out/3"']
    assert {headers["Content-Type"] for headers in service.headers} == {"application/json"}


def test_secrets_come_from_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOGUE_TOKEN", "t0ken")
    monkeypatch.setenv("API_KEY", "k3y")
    secrets = {"X-Api-Key": "API_KEY"}
    written(HttpSink(service.url, "PUT", {"X-Lab": "MAX"}, "CATALOGUE_TOKEN", secrets), 1)
    (headers,) = service.headers
    assert service.methods == ["PUT"]
    assert (headers["Authorization"], headers["X-Api-Key"], headers["X-Lab"]) == ("Bearer t0ken", "k3y", "MAX")
    monkeypatch.delenv("API_KEY")
    with pytest.raises(SinkError, match="the header X-Api-Key is taken from the environment, and API_KEY is not set"):
        HttpSink(service.url, secret_headers=secrets).open(FACTS)


def test_what_may_succeed_later_is_tried_again(service: Service) -> None:
    service.answers = [(503, {}, "busy"), (429, {"Retry-After": "0"}, ""), (204, {}, "")]
    sink = HttpSink(service.url)
    sink._patience._first_s = 0.001
    written(sink, {"n": 1})
    assert service.bodies == [{"n": 1}] * 3
    assert len({headers["Idempotency-Key"] for headers in service.headers}) == 1


@pytest.mark.parametrize(
    ("answers", "tries", "says"),
    [
        ([(422, {}, "no   field\nenergy")], 5, r"/hooks/…: not taken: 422 Unprocessable .*: no field energy$"),
        ([(500, {}, "")] * 2, 2, r"not taken after 2 attempts: 500 Internal Server Error$"),
        ([(302, {"Location": "http://elsewhere.example/"}, "")], 5, "not taken: 302 Found"),
    ],
)
def test_what_is_refused_is_an_error(service: Service, answers: Any, tries: int, says: str) -> None:
    service.answers = answers
    sink = HttpSink(service.url, tries=tries)
    sink._patience._first_s = 0.001
    with pytest.raises(SinkError, match=says) as error:
        written(sink, 1)
    assert "secret" not in str(error.value)
    assert service.answers == []


def test_a_service_that_hangs_costs_its_timeout(service: Service) -> None:
    hang = threading.Event()
    service.RequestHandlerClass = type("Hanging", (_Asked,), {"do_POST": lambda _: hang.wait(30)})
    try:
        with pytest.raises(SinkError, match="not taken: ReadTimeout"):
            written(HttpSink(service.url, timeout_s=0.05, tries=1), 1)
    finally:
        hang.set()


def test_when_the_run_ends_nobody_waits_for_long_any_more(service: Service) -> None:
    service.answers = [(503, {"Retry-After": "3600"}, "")] * 2
    sink = HttpSink(service.url, linger_s=0)
    sink.open(FACTS)
    failed: list[SinkError] = []

    def write() -> None:
        try:
            sink.write(1)
        except SinkError as error:
            failed.append(error)

    waiting = threading.Thread(target=write)
    waiting.start()
    sink.hasten()
    waiting.join(30)
    assert "503" in str(failed[0])
    sink.close(ended_well=True)


def test_a_storm_of_texts_is_few_messages(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_URL", service.url)
    sink = WebhookSink(
        "{name}: {value:.1f}",
        url_env="CHAT_URL",
        every_s=1000,
        most_lines=2,
        key="content",
        fields={"user": "beamline"},
    )
    sink.open(FACTS)
    sink.write({"name": "I0", "value": 0.0})
    while not service.bodies:
        threading.Event().wait(0.001)
    for number in range(1, 6):
        sink.write({"name": "I0", "value": number})
    sink.close(ended_well=True)
    assert service.bodies == [
        {"user": "beamline", "content": "I0: 0.0"},
        {"user": "beamline", "content": "I0: 1.0\nI0: 2.0\n… and 3 more"},
    ]


def test_a_text_that_is_refused_is_said_and_not_where_it_went(service: Service) -> None:
    service.answers = [(404, {}, "no such hook")]
    with pytest.raises(SinkError, match=r"/hooks/…: not taken: 404 Not Found: no such hook"):
        written(WebhookSink("{}", service.url), 1)


def test_an_item_without_the_field_is_named(service: Service) -> None:
    with pytest.raises(SinkError, match='webhook: no field "b"'):
        written(WebhookSink("{b}", service.url), {"a": 1})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: HttpSink("example.org"), 'write "https://HOST/PATH"'),
        (lambda: HttpSink("http://x/", method="GET"), "method is 'GET'"),  # type: ignore[arg-type]
        (lambda: HttpSink("http://x/", tries=0), "0 tries"),
        (lambda: HttpSink("http://x/", timeout_s=0), "timeout_s is 0"),
        (lambda: WebhookSink("x"), "either url or url_env"),
        (lambda: WebhookSink("x", "http://x/", "CHAT_URL"), "either url or url_env"),
        (lambda: WebhookSink("{", "http://x/"), r"write \{\{ and"),
        (lambda: WebhookSink("x", "http://x/", every_s=-1), "every_s is -1"),
        (lambda: WebhookSink("x", "http://x/", timeout_s=-1), "timeout_s is -1"),
    ],
)
def test_what_is_not_right_is_said_when_it_is_made(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
