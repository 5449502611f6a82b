"""Clients that take too many connections, too much time or too much memory: others are served, and the run goes on."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
import websockets.sync.client

from penstock.client import Connection, connect
from penstock.pipeline import Map, Pipeline, Reduce, Source
from penstock.services.web_service import WebService
from penstock.web import guests
from tests.system import controlled

MB = 1_000_000
BIG = 80 * MB
GREEDY, OTHER = "127.0.0.2", "127.0.0.1"
"""Addresses of this machine that clients call from."""
NAMED = b"Host: localhost\r\n"
ASK_BIG = b"GET /api/v1/data/sum/big HTTP/1.1\r\n" + NAMED + b"\r\n"


class Served:
    """A run, its web process, and what that uses."""

    def __init__(self, web: WebService, seen: Connection) -> None:
        assert web.pid is not None
        self.seen, self.pid, self.address = seen, web.pid, web.address
        self._where = web.address.removeprefix("http://").split(":")

    def call(self, source: str = GREEDY) -> socket.socket:
        return socket.create_connection((self._where[0], int(self._where[1])), 10, source_address=(source, 0))

    def status(self, source: str = OTHER, path: str = "run") -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(local_address=source), timeout=10) as client:
            return client.get(f"{self.address}/api/v1/{path}")

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    @property
    def own_bytes(self) -> int:
        """Memory that is the web process's own; the views it has looked into are the run's."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
        raise AssertionError("there is no such process")


def until(condition: Callable[[], bool], longest_s: float = 30.0) -> None:
    deadline = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    gate = tmp_path / "end"
    pipeline = Pipeline(
        name="crowded",
        sources={"camera": Source(controlled.Paced, rate=50, block=1, gate=str(gate))},
        stages={"work": Map(controlled.weighed, source="camera"), "sum": Reduce(controlled.Large, source="work")},
    )
    with WebService(port=0) as web, pipeline.start(web=web) as run:
        with connect(web.address) as seen:
            until(lambda: "sum/count" in seen and float(seen["sum/count"]) > 3)
            yield Served(web, seen)
            before = float(seen["sum/count"])
            until(lambda: float(seen["sum/count"]) > before)
        gate.touch()
        report = run.wait(30)
    assert report.outcome == "finished"
    assert report.adds_up


def test_connections_that_only_wait_lock_nobody_out(served: Served) -> None:
    before = served.descriptors
    with ExitStack() as stack:
        waiting = [stack.enter_context(closing(served.call(OTHER))) for _ in range(guests.MOST + 50)]
        for half in waiting[::2]:
            half.sendall(b"GET /api/v1/run HT")
        assert served.status().status_code == 200
        assert served.status(GREEDY).status_code == 200
        assert served.descriptors <= before + guests.MOST_OF_ONE + 10
    until(lambda: served.descriptors <= before + 1)


def test_who_uses_too_many_connections_is_told_so_and_others_are_served(served: Served) -> None:
    before = served.descriptors
    with ExitStack() as stack:
        for _ in range(guests.MOST_OF_ONE):
            busy = stack.enter_context(closing(served.call()))
            busy.sendall(b"PUT /api/v1/parameters HTTP/1.1\r\n" + NAMED + b"Content-Length: 500\r\n\r\n{")
        until(lambda: served.status(GREEDY).status_code == 503)
        refused = served.status(GREEDY)
        assert refused.json()["detail"].startswith(f"{GREEDY} has {guests.MOST_OF_ONE} connections, all in use")
        address = served.address.replace("http", "ws")
        with pytest.raises(websockets.InvalidStatus) as said:
            websockets.sync.client.connect(f"{address}/api/v1/changes", source_address=(GREEDY, 0))
        assert said.value.response.status_code == 503
        assert b"all in use" in (said.value.response.body or b"")
        assert served.status(OTHER).status_code == 200
        assert served.descriptors <= before + guests.MOST_OF_ONE + guests.MOST_REFUSED
    until(lambda: served.descriptors <= before + 1)
    assert served.status(GREEDY).status_code == 200


def test_who_takes_for_ever_is_cut_off_and_leaves_no_memory_behind(served: Served) -> None:
    served.status(path="data/sum/big")
    until(lambda: served.own_bytes < 100 * MB)
    before, descriptors = served.own_bytes, served.descriptors
    with ExitStack() as stack:
        _silent, half, reader, deaf = (stack.enter_context(closing(served.call())) for _ in range(4))
        half.sendall(b"GET /api/v1/run HTTP/1.1\r\nHost: local")
        for each in (reader, deaf):
            each.sendall(ASK_BIG)
        until(lambda: served.own_bytes > before + BIG)
        most = 0
        while served.descriptors > descriptors:  # one reads 1 kB/s, one nothing, two have not asked for anything
            reader.setblocking(False)
            try:
                reader.recv(20)
            except BlockingIOError:
                pass
            except ConnectionError:
                break
            most = max(most, served.own_bytes)
            assert served.status().status_code == 200
            time.sleep(0.02)
        until(lambda: served.descriptors <= descriptors + 1)
        assert most <= before + 2 * BIG + 30 * MB
    until(lambda: served.own_bytes <= before + 20 * MB)


def test_answers_that_nobody_takes_fill_no_more_memory_than_is_held_for_them(served: Served) -> None:
    before = served.own_bytes
    with ExitStack() as stack:
        refused = 0
        for _ in range(20):  # 1.6 GB
            deaf = stack.enter_context(closing(served.call()))
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(ASK_BIG)
            refused += deaf.recv(12) == b"HTTP/1.1 503"
        assert refused >= 6
        assert served.own_bytes <= before + (1 << 30) + BIG
        answer = served.status(path="data/sum/big")
        assert (answer.status_code, "try again" in answer.json()["detail"]) == (503, True)
        assert served.status(path="data/sum/big?slice=3").status_code == 200
    until(lambda: served.own_bytes <= before + 30 * MB)
    assert len(served.status(path="data/sum/big").content) == BIG


def test_answers_that_are_dropped_mid_way_leave_nothing_behind(served: Served) -> None:
    served.status(path="data/sum/big")
    before, descriptors = served.own_bytes, served.descriptors
    for _ in range(20):
        with closing(served.call()) as dropped:
            dropped.sendall(ASK_BIG)
            assert dropped.recv(1000)
    until(lambda: served.descriptors <= descriptors + 1)
    until(lambda: served.own_bytes <= before + 20 * MB)


def test_a_long_body_of_no_length_is_refused_with_a_reason(served: Served) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"values": {"factor": "'
        for _ in range(17):
            yield b"x" * (1 << 20)
        yield b'"}}'

    answer: Any = httpx.put(f"{served.address}/api/v1/parameters", content=pieces(), timeout=10)
    assert answer.status_code == 413
    assert "16,777,216 at most" in answer.json()["detail"]
