"""Sardana's recorder over HTTP: what is posted arrives, wrong bodies are refused and counted, nothing is lost."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from penstock.core import Block, Kind
from penstock.elements import http_intake
from penstock.elements.sources.sardana import SardanaSource
from penstock.errors import SourceError
from penstock.services.simulation import Setup, Simulation
from tests.system.sockets import read_scan, read_until

START = {"serialno": 20338, "scandir": "/data", "title": "ascan sx 0 1 2 0.1", "ref_moveables": ["sx"]}


@contextmanager
def listening(ahead_MB: float = 64.0) -> Iterator[tuple[SardanaSource, httpx.Client]]:
    source = SardanaSource(0, ahead_MB=ahead_MB)
    source.stream = "scan"
    source.open()
    try:
        with httpx.Client(base_url=source.address, trust_env=False, timeout=20) as client:
            yield source, client
    finally:
        source.close()
        source.close()


def points(client: httpx.Client, n: int) -> None:
    assert client.post("/v1/data_desc", json=START).status_code == 200
    for number in range(n):
        assert client.post("/v1/record_data", json={"timestamp": 0.1, "point_nb": number}).status_code == 200
    assert client.post("/v1/record_end", json={}).status_code == 200


def numbers(blocks: list[Block]) -> list[int]:
    messages = [message for block in blocks if block.kind is Kind.DATA for message in block.messages()]
    return [message.metadata["point_nb"] for message in messages]


def test_a_scan_that_was_posted_before_it_is_read_arrives_whole() -> None:
    with listening() as (source, client):
        points(client, 50)
        assert client.post("/v1/custom_data", json={"plot": [1, 2]}).json() is None
        begun_ns = time.time_ns()
        reading = source.read(begun_ns)
    assert [block.kind for block in reading.blocks] == [Kind.START, Kind.DATA, Kind.END]
    assert numbers(reading.blocks) == list(range(50))
    (start,) = reading.blocks[0].messages()
    assert start.metadata == START
    assert 0 < begun_ns - start.timestamp_ns < 20e9
    assert (reading.filtered, reading.unparsable, reading.blocks[2].ids.tolist()) == (1, [], [52])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/v1/record_data", b"{}", 422, "timestamp is missing; a number of seconds is due"),
        ("POST", "/v1/data_desc", b"no JSON", 422, "data_desc: the body is not a JSON object"),
        ("POST", "/v1/record", b"{}", 404, "/v1/record is none of /v1/data_desc, /v1/record_data"),
        ("GET", "/v1/record_data", b"", 405, "GET is none of POST"),
        ("POST", "/v1/record_end", b" " * (http_intake.MAX_BODY + 1), 413, "a body of more than"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_said(method: str, path: str, body: bytes, status: int, says: str) -> None:
    with listening() as (source, client):
        answer = client.request(method, path, content=body)
        assert answer.status_code == status
        assert says in answer.json()["detail"]
        lost = source.read(0).unparsable
        assert lost == ([answer.json()["detail"]] if status in (413, 422) else [])
        points(client, 1)
        assert read_scan(source)[1] == []


def test_a_page_in_a_browser_may_not_post() -> None:
    with listening() as (source, client):
        answer = client.post("/v1/record_end", json={}, headers={"Origin": "http://127.0.0.1"})
        assert (answer.status_code, answer.json()["detail"]) == (403, "a web page may not post here")
        assert source.read(0).is_empty


def test_while_nobody_reads_whoever_posts_waits_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_intake, "MAX_WAITING", 5)
    with listening() as (source, client):
        posting = threading.Thread(target=points, args=(client, 40))
        posting.start()
        blocks: list[Block] = []
        read_until([source], lambda: len(numbers(blocks)) == 40, lambda _, block: blocks.append(block))
        posting.join()
    assert numbers(blocks) == list(range(40))
    assert max(map(len, blocks)) <= 5


def test_whoever_has_waited_too_long_is_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_intake, "PATIENCE_S", 0.1)
    with listening(ahead_MB=0.001) as (source, client):
        for status in (200, 503):
            answer = client.post("/v1/record_data", json={"timestamp": 0.1, "point_nb": 0, "x": "y" * 900})
            assert answer.status_code == status
        assert answer.headers["retry-after"] == "1"
        reading = source.read(0)
        assert numbers(reading.blocks) == [0]
        assert reading.unparsable == ["record_data: the pipeline is behind; 1 bodies wait to be read"]
        points(client, 1)


def test_a_simulated_sardana_posts_and_what_was_injected_is_refused_or_lost() -> None:
    with listening() as (source, _):
        address = source.address.replace("http://", "tcp://")
        faults = "lost=0.1,doubled=0.1,corrupt=0.1"
        simulation = Simulation(Setup(instrument="sardana", rows=8, columns=10, faults=faults, address=address))
        simulation.open()
        sending = threading.Thread(target=simulation.run)
        sending.start()
        blocks, lost = read_scan(source)
        sending.join()
    report = simulation.report
    injected = report.injected
    assert (report.state, len(lost)) == ("finished", injected["corrupt"])
    assert len(numbers(blocks)) == 80 - injected["lost"] + injected["doubled"] - injected["corrupt"]


def test_a_simulated_sardana_must_be_told_where_to_post() -> None:
    (problem,) = Setup(instrument="sardana", rows=1, columns=1).problems()
    assert "posts to a pipeline, so it must be told where that listens" in problem.text


def test_a_port_that_is_in_use_is_named() -> None:
    with listening() as (source, _):
        port = int(source.address.rpartition(":")[2])
        with pytest.raises(SourceError, match=rf"http://127.0.0.1:{port} cannot be bound: Address already in use"):
            SardanaSource(port).open()


def test_nobody_listens_to_the_network_by_chance() -> None:
    with pytest.raises(ValueError, match="every machine of the network"):
        SardanaSource(8080, host="0.0.0.0")
    SardanaSource(8080, host="0.0.0.0", open_to_network=True)
