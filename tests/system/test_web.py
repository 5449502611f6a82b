"""A run and its web process, with real sockets: it is seen while it runs and after, whoever is killed."""

import asyncio
import json
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import websockets

import penstock
from penstock.client import Connection, connect
from penstock.errors import ParameterError, SelectionError, ServiceError, StateError
from penstock.pipeline import Map, Pipeline, Reduce, Source
from penstock.services.web_service import WebService
from tests.system import controlled
from tests.system.commands import COMMAND, Process

RATE = 400


def pipeline(gate: Path) -> Pipeline:
    return Pipeline(
        name="seen",
        sources={"camera": Source(controlled.Paced, rate=RATE, gate=str(gate))},
        stages={
            "work": Map(controlled.weighed, source="camera", workers=2),
            "sum": Reduce(controlled.Weights, source="work"),
        },
    )


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "end"


@pytest.fixture
def web() -> Iterator[WebService]:
    with WebService(port=0) as web:
        yield web


@pytest.fixture
def run(web: WebService, gate: Path) -> Iterator[Any]:
    with pipeline(gate).start(web=web) as run:
        yield run
        gate.touch()


@pytest.fixture
def seen(run: Any, web: WebService) -> Iterator[Connection]:
    with connect(web.address) as seen:
        yield seen


def until(condition: Any, longest_s: float = 20.0) -> None:
    deadline = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def test_views_are_read_while_the_run_goes_on(seen: Connection) -> None:
    until(lambda: len(seen) > 0)
    view = seen["sum/rows"]
    until(lambda: seen["sum/rows"].shape[0] > 20)
    rows = view[:20]
    assert rows.tolist() == sorted(rows.tolist())
    assert view[3] == rows[3]
    assert float(seen["sum/count"]) > 20
    later = view[...]
    assert np.array_equal(later[:20], rows)
    assert view.position > 0
    assert "sum/rows" in repr(seen)


def test_parameters_are_turned_and_the_ledger_adds_up(seen: Connection) -> None:
    knobs = seen.parameters
    assert knobs.factor == 1.0
    knobs.factor = 3.0
    assert knobs["work.factor"] == 3.0
    (described,) = knobs.describe()
    assert (described["unit"], described["bounds"]) == ("V", {"ge": 0})
    for wrong in ({"factor": -1}, {"factor": "much"}, {"nothing": 1}):
        with pytest.raises(ParameterError, match="factor"):
            knobs.set(wrong)
    with pytest.raises(AttributeError, match=r"there are work\.factor"):
        _ = knobs.nothing
    assert knobs.factor == 3.0
    assert seen.ledger.adds_up
    assert seen.status["outcome"] == "running"


def test_workers_are_scaled_from_outside(seen: Connection) -> None:
    seen.scale("work", 3)
    until(lambda: sum(each["role"] == "map" and each["pid"] > 0 for each in seen.status["processes"]) == 3)
    for stage, workers in (("sum", 2), ("nobody", 2)):
        with pytest.raises(ServiceError, match="no map stage"):
            seen.scale(stage, workers)


def test_the_graph_shows_what_flows_and_a_worker_that_was_killed(seen: Connection) -> None:
    def flow() -> dict[str, Any]:
        found = httpx.get(f"{seen.address}/api/v1/flow").raise_for_status().json()
        return {**found, "rooms": {each["name"]: each for each in found["rooms"]}}

    until(lambda: all(each["recent_per_s"] > 0 for each in flow()["edges"]))
    assert [(each["producer"], each["consumer"]) for each in flow()["edges"]] == [
        ("camera", "work"), ("work", "sum"), ("instrument", "camera"),
    ]  # fmt: skip
    until(lambda: flow()["rooms"]["work"]["load"]["processes"] == 2)
    os.kill(next(each["pid"] for each in seen.status["processes"] if each["role"] == "map"), signal.SIGKILL)
    until(lambda: flow()["rooms"]["work"]["load"]["deaths"] == 1)
    until(lambda: flow()["rooms"]["work"]["state"] == "processing")


def test_what_is_wrong_is_an_exception_that_says_so(seen: Connection) -> None:
    until(lambda: len(seen) > 0)
    with pytest.raises(KeyError, match="did you mean"):
        _ = seen["sum/rowz"]
    with pytest.raises(SelectionError, match=r"selects nothing|cannot select"):
        _ = seen["sum/rows"]["a"]
    with pytest.raises(SelectionError, match="outside"):
        _ = seen["sum/rows"][10**9]


def test_a_run_is_stopped_from_outside_and_seen_afterwards(seen: Connection, run: Any) -> None:
    until(lambda: len(seen) > 0)
    seen.stop("enough")
    report = run.wait(20)
    assert (report.outcome, report.reasons) == ("aborted", ["enough"])
    until(lambda: seen.ledger.outcome == "aborted")
    assert seen.ledger.adds_up
    assert len(seen["sum/rows"][...]) == float(seen["sum/count"])
    with pytest.raises(StateError, match="has ended"):
        seen.parameters.factor = 2.0


def test_a_killed_web_process_comes_back_at_the_same_address_and_the_run_does_not_notice(
    seen: Connection, run: Any, web: WebService, gate: Path
) -> None:
    for _ in range(3):
        before = web.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        until(lambda before=before: web.pid not in (None, before))
        with connect(web.address) as again:
            assert again.run == run.id
            assert again.ledger.outcome == "running"
    gate.touch()
    report = run.wait(20)
    assert report.outcome == "finished"
    assert report.adds_up
    assert report.edge("camera", "work").loss == 0


def test_a_web_process_that_hangs_holds_nobody_up(run: Any, web: WebService, gate: Path) -> None:
    assert web.pid is not None
    os.kill(web.pid, signal.SIGSTOP)
    gate.touch()
    assert run.wait(20).outcome == "finished"


def test_connections_that_break_off_do_no_harm(run: Any, web: WebService) -> None:
    host, port = web.address.removeprefix("http://").split(":")
    get, put = b"GET /api/v1/data/sum/rows HTTP/1.1\r\n", b"PUT /api/v1/parameters HTTP/1.1\r\n"
    named = b"Host: localhost\r\n"
    for said in (b"", get, get + named + b"\r\n", b"\x00" * 5000, put + named + b"Content-Length: 500\r\n\r\n{"):
        with closing(socket.create_connection((host, int(port)), 10)) as broken:
            broken.sendall(said)
    with connect(web.address) as seen:
        assert seen.status["outcome"] == "running"
    body = b'{"values": {"factor": "' + b"x" * (17 << 20) + b'"}}'
    head = {"content-type": "application/json"}
    assert httpx.put(f"{web.address}/api/v1/parameters", content=body, headers=head, timeout=10).status_code == 413


def test_changes_are_pushed(run: Any, web: WebService) -> None:
    async def follow() -> list[int]:
        address = web.address.replace("http", "ws")
        async with websockets.connect(f"{address}/api/v1/changes") as follower:
            await follower.send(json.dumps({"watch": [{"view": "sum/count", "slice": "", "max_hz": 20}]}))
            versions: list[int] = []
            while len(versions) < 5:
                head = json.loads(await asyncio.wait_for(follower.recv(), 20))
                assert "problem" not in head, head
                data = await asyncio.wait_for(follower.recv(), 20)
                assert isinstance(data, bytes)
                assert np.frombuffer(data, head["dtype"]).size == 1
                versions.append(head["version"])
            return versions

    versions = asyncio.run(follow())
    assert versions == sorted(set(versions))


def test_the_page_is_there(run: Any, web: WebService) -> None:
    answer = httpx.get(web.address, timeout=10)
    assert "text/html" in answer.headers["content-type"]
    assert "penstock" in answer.text


def test_a_taken_port_gives_the_next_one(nothing_left_open: None) -> None:
    with WebService(port=0) as first:
        port = int(first.address.rpartition(":")[2])
        with WebService(port=port) as second:
            assert port < int(second.address.rpartition(":")[2]) <= port + 100


def test_other_machines_need_a_token(nothing_left_open: None, gate: Path) -> None:
    with pytest.raises(ServiceError, match="give a token"):
        WebService("0.0.0.0", 0)
    with WebService("0.0.0.0", 0, viewer_token="look", operator_token="turn") as web:
        address = f"127.0.0.1:{web.address.rpartition(':')[2]}"
        with pipeline(gate).start(web=web) as run:
            with pytest.raises(ServiceError, match="token is needed"):
                connect(address, token="")
            with connect(address, token="look") as viewer:
                with pytest.raises(ServiceError, match="an operator's is needed"):
                    viewer.parameters.factor = 2.0
                assert viewer.parameters.factor == 1.0
            with connect(address, token="turn") as operator:
                operator.parameters.factor = 2.0
            gate.touch()
            assert run.wait(20).outcome == "finished"


def test_nothing_is_left_of_any_of_it(nothing_left_open: None, gate: Path) -> None:
    def all_of_it() -> int:
        with WebService(port=0) as web, pipeline(gate).start(web=web) as run:
            assert web.pid is not None
            with connect(web.address) as seen:
                until(lambda: len(seen) > 0)
                os.kill(web.pid, signal.SIGKILL)
                until(lambda: len(seen.status["edges"]) > 0)
            gate.touch()
            assert run.wait(20).outcome == "finished"
            return web.pid

    pid = all_of_it()
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_nobody_there_is_said(nothing_left_open: None) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match="nobody answers at"):
            penstock.connect(f"127.0.0.1:{port}")


FILE = """\
name: served
sources: {{camera: {{use: tests.system.controlled:Paced, rate: 400, gate: "{gate}"}}}}
stages:
  work: {{from: camera, map: "tests.system.controlled:weighed"}}
  sum: {{from: work, reduce: "tests.system.controlled:Weights"}}
serve: {{http: 0}}
"""


def test_a_file_says_where_it_is_served_and_the_command_stays_until_ctrl_c(tmp_path: Path, gate: Path) -> None:
    file = tmp_path / "served.yaml"
    file.write_text(FILE.format(gate=gate))
    root = Path(__file__).parents[2]
    process = Process("run", str(file), "--stay", folder=root)
    try:
        address = process.line("views: ").removeprefix("views: ").strip()
        with connect(address) as seen:
            until(lambda: len(seen) > 0)
            assert seen.pipeline == "served"
            gate.touch()
            process.line("the views stay at")
            assert seen.ledger.outcome == "finished"
            assert len(seen["sum/rows"][...]) == float(seen["sum/count"])
            process.process.send_signal(signal.SIGINT)
            assert process.end().code == 0
    finally:
        process.close()


def test_options_that_cannot_be_are_said(tmp_path: Path, gate: Path) -> None:
    file = tmp_path / "served.yaml"
    file.write_text(FILE.format(gate=gate).replace("serve: {http: 0}\n", ""))
    root = Path(__file__).parents[2]
    for words, said in (
        (["--stay"], "add --serve"),
        (["--serve", "somewhere:nowhere"], "is no address"),
        (["--serve", "0.0.0.0:0"], "PENSTOCK_VIEWER_TOKEN"),
        (["--serve", "0", "--engine", "inline"], "leave --engine out"),
    ):
        process = Process("run", str(file), *words, folder=root)
        try:
            found = process.end()
        finally:
            process.close()
        assert found.code == 2, found.text
        assert said in found.text


def test_top_shows_every_edge_and_process(run: Any, web: WebService) -> None:
    root = Path(__file__).parents[2]
    with connect(web.address) as seen:
        until(lambda: seen.ledger.edges and all(edge["arrived"] for edge in seen.ledger.edges))
    for words in (["--once"], [], ["--json"]):
        process = Process("top", web.address, *words, folder=root)
        try:
            found = process.end()
        finally:
            process.close()
        assert found.code == 0, found.text
        if words == ["--json"]:
            assert json.loads(found.out)["outcome"] == "running"
        else:
            for name in ("camera → work", "work → sum", "builder", "work-1", "backlog", "p99", "lost"):
                assert name in found.out, name


def test_top_says_that_nobody_is_there() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = Process("top", address, folder=Path(__file__).parents[2])
        try:
            found = process.end()
        finally:
            process.close()
    assert found.code == 1
    assert f"nobody answers at http://{address}" in found.err


def test_top_on_a_terminal_ends_with_the_run(run: Any, web: WebService, gate: Path) -> None:
    terminal, its = pty.openpty()
    try:
        words = [*COMMAND, "top", web.address, "--every-s", "0.1"]
        child = subprocess.Popen(words, stdin=its, stdout=its, stderr=its, env={**os.environ, "TERM": "xterm"})
        os.close(its)
        said = b""
        while b"camera" not in said:
            said += os.read(terminal, 65536)
        gate.touch()
        while child.poll() is None:
            with suppress(OSError):  # the terminal's other end has gone
                said += os.read(terminal, 65536)
        assert child.returncode == 0, said[-500:]
        assert b"finished" in said
    finally:
        os.close(terminal)
        child.kill()
        child.wait()


MAPPED = """\
name: mapped
sources:
  a: {use: tests.system.controlled:Paced, rate: 2000, n: 50}
  b: {use: tests.system.controlled:Paced, rate: 2000, n: 50}
events: {scan: {join: [a, b], by: trigger-map, incomplete: pass}}
stages:
  work: {from: scan, map: "tests.system.controlled:both"}
  sum: {from: work, reduce: "tests.system.controlled:Weights"}
serve: {http: 0}
"""


def test_runs_follow_each_other_each_with_its_own_map(tmp_path: Path) -> None:
    file = tmp_path / "mapped.yaml"
    file.write_text(MAPPED)
    (tmp_path / "map.json").write_text(json.dumps({"a": {"events": 50}, "b": {"events": 50}}))
    words = ["run", str(file), "--stay", "--run", "first", "--map", str(tmp_path / "map.json")]
    process = Process(*words, folder=Path(__file__).parents[2])
    try:
        address = process.line("views: ").removeprefix("views: ").strip()
        process.line("the views stay at")
        with connect(address) as seen:
            assert seen.run == "first"
            second = {"a": {"events": 50}, "b": {"events": 50}}
            for maps, values, said in (
                ({"nothing": second}, {}, "is no join by trigger map"),
                ({"scan": {"a": 3}}, {}, "scan|a"),
                ({"scan": second}, {"nothing": 1}, "no parameter"),
                ({"scan": second}, {"factor": -1}, "factor"),
            ):
                with pytest.raises((SelectionError, ServiceError), match=said):
                    seen.start(maps, values)
            assert [run["run"] for run in seen.runs] == ["first"]
            assert (
                seen.start({"scan": {"a": {"events": 50}, "b": {"events": 50}}}, {"factor": 2.0}, run="second")
                == "second"
            )
            process.line("the views stay at", count=2)
            assert seen.ledger.outcome == "finished"
            assert seen["sum/rows"][:3].tolist() == [0.0, 4.0, 8.0]
            named = [(run["run"], run["outcome"]) for run in seen.runs]
            assert named == [("first", "finished"), ("second", "finished")]
            wish = {"scan": {"a": {"events": 50}, "b": {"events": 50}}}
            with pytest.raises(StateError, match="run first was shown here already; name another one, such as first-2"):
                seen.start(wish, run="first")
            reply = seen.command("arm", run="first", trigger_maps=wish)
            assert not reply.is_done
            assert "such as first-2" in reply.text
            assert seen.start(wish, run="first", existing="next") == "first-2"
            process.line("the views stay at", count=3)
            assert [run["run"] for run in seen.runs] == ["first", "second", "first-2"]
            process.process.send_signal(signal.SIGINT)
        assert process.end().code == 0
    finally:
        process.close()


def test_a_run_begins_with_its_map_which_grows_until_it_is_said_to_be_whole(tmp_path: Path) -> None:
    file = tmp_path / "mapped.yaml"
    file.write_text(MAPPED.replace("by: trigger-map", "by: {trigger-map: {open: true}}").replace("n: 50", "n: 60"))
    process = Process("run", str(file), "--stay", folder=Path(__file__).parents[2])
    line = {"parts": {"line": {"a": {"events": 20}, "b": {"events": 20}}}}
    try:
        address = process.line("views: ").removeprefix("views: ").strip()
        with connect(address) as seen:
            until(lambda: seen.maps["scan"] == {"join": "scan", "events": 0, "open": True, "parts": []})
            assert seen.extend("scan", line)["events"] == 20
            until(lambda: "sum/rows" in seen and seen["sum/rows"].shape == (20,))
            for wrong, said in (
                (line, "parts.line: is there already"),
                ({"sequence": ["lime"]}, "no part is called 'lime'"),
                ({"a": {"events": 2}, "c": {"events": 2}}, "no stream is called 'c'; there are a, b"),
                ({"a": [[{"tags": ["gpu"]}]], "b": [None]}, "gpu"),
            ):
                with pytest.raises(SelectionError, match=re.escape(said)):
                    seen.extend("scan", wrong)
            with pytest.raises(ServiceError, match="no join by trigger map is called 'scam'; there are scan"):
                seen.extend("scam", line)
            assert seen.extend("scan", {"sequence": ["line"]})["events"] == 40
            until(lambda: seen["sum/rows"].shape == (40,))
            assert seen.status["outcome"] == "running"
            whole = seen.extend("scan", {"a": {"events": 20}, "b": {"events": 20}}, last=True)
            assert whole == {"join": "scan", "events": 60, "open": False, "parts": ["line", "part-1"]}
            process.line("the views stay at")
            assert seen.ledger.outcome == "finished"
            assert seen["sum/rows"][...].tolist() == [2.0 * k for k in range(60)]
            with pytest.raises(StateError, match="the run has ended"):
                seen.extend("scan", {"sequence": ["line"]})
            process.process.send_signal(signal.SIGINT)
        assert process.end().code == 0
    finally:
        process.close()


def test_a_program_that_stays_waits_for_a_map_before_its_first_run(tmp_path: Path) -> None:
    file = tmp_path / "mapped.yaml"
    file.write_text(MAPPED)
    process = Process("run", str(file), "--stay", folder=Path(__file__).parents[2])
    try:
        address = process.line("views: ").removeprefix("views: ").strip()
        process.line("scan: a run begins when its trigger map is given over HTTP")
        with connect(address) as seen:
            assert (seen.run, seen.runs, list(seen)) == ("", [], [])
            with pytest.raises(StateError, match="no run has begun"):
                seen.stop()
            with pytest.raises(SelectionError, match="waits for a trigger map"):
                seen.start()
            begun = seen.start({"scan": {"a": {"events": 50}, "b": {"events": 50}}}, run="first")
            assert begun == "first"
            process.line("the views stay at", count=2)
            assert seen["sum/rows"][...].tolist() == [2.0 * k for k in range(50)]
            with pytest.raises(SelectionError, match="waits for a trigger map"):
                seen.start()
            process.process.send_signal(signal.SIGINT)
        assert process.end().code == 0
    finally:
        process.close()


def test_nobody_who_waits_for_a_first_run_has_failed(tmp_path: Path) -> None:
    file = tmp_path / "mapped.yaml"
    file.write_text(MAPPED)
    process = Process("run", str(file), "--stay", folder=Path(__file__).parents[2])
    try:
        process.line("the views stay at")
        process.process.send_signal(signal.SIGINT)
        ended = process.end()
        assert ended.code == 130
        assert "Traceback" not in ended.err
    finally:
        process.close()


def test_no_other_run_is_started_while_one_goes_on_or_where_nobody_stays(seen: Connection, run: Any) -> None:
    with pytest.raises(StateError, match="a run is going on"):
        seen.start()
    assert [each["outcome"] for each in seen.runs] == ["running"]


def test_whoever_wants_another_run_is_answered_however_slow_the_web_process_is(web: WebService) -> None:
    web.begin(None, pipeline="p", version="1", graph="{}")
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{web.address}/api/v1/runs", json={}, timeout=30).status_code)
    )
    asking.start()
    waking: list[threading.Timer] = []

    def accept(_wish: Any) -> None:
        pid = web.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        waking.append(threading.Timer(0.3, os.kill, (pid, signal.SIGCONT)))
        waking[0].start()

    never, write = os.pipe()
    try:
        assert web.stay(never, accept) is not None
        web.begin(None, pipeline="p", version="1", graph="{}")
    finally:
        os.close(never)
        os.close(write)
    asking.join(30)
    waking[0].join(30)
    assert answers == [200]
