"""Classes of dranspose, unchanged: replayed from dumps, and run live under its REST paths by real processes."""

import json
import pickle
import signal
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5pyd
import httpx
import numpy as np
import pytest
import zmq

from penstock.compat.dranspose.dumps import encode_event, read_dump
from penstock.compat.dranspose.namespace import serve_dranspose
from penstock.protocols import stins
from tests.system.commands import Process, ended, ledger_of, started

FILES = Path(__file__).parent / "dranspose"
CODE = ("-w", "rings:RingWorker", "-r", "rings:RingReducer")
LONGEST_S = 30.0


def packets(values: Iterable[int], numbers: Sequence[int] = ()) -> list[list[bytes]]:
    numbered = zip(numbers or range(1000), values, strict=False)
    images = [stins.encode_image(number, np.full((10, 10), value, np.uint16)) for number, value in numbered]
    return [stins.encode_start("scan.h5"), *images, stins.encode_end()]


def dump(path: Path, frames: Iterable[int], first: int = 0) -> Path:
    events = [encode_event(first + k, {"xrd": ("STINS", packet)}) for k, packet in enumerate(packets(frames))]
    path.write_bytes(b"".join(events))
    return path


class Door:
    """A running ``penstock dranspose run``, and the detectors that push to it."""

    def __init__(self, process: Process, sockets: dict[str, "zmq.Socket[bytes]"]) -> None:
        self.process, self.sockets = process, sockets
        self.controller = process.line("controller:").split()[1]
        self.reducer = process.line("reducer:").split()[1]
        self.debug = process.line("debug worker:").split()[2]
        self.macro = process.line("macro:").split()[1]
        self.client = httpx.Client(timeout=LONGEST_S)

    def post(self, path: str, **content: Any) -> httpx.Response:
        return self.client.post(f"{self.controller}/api/v1/{path}", **content)

    def get(self, path: str) -> Any:
        return self.client.get(f"{self.controller}/api/v1/{path}").json()

    def begin(self, cells: dict[str, list[Any]]) -> str:
        answer = self.post("sequence", json={"parts": {"main": cells}, "sequence": ["main"]})
        assert answer.status_code == 200, answer.text
        return str(answer.json())

    def send(self, stream: str, values: Iterable[int], numbers: Sequence[int] = ()) -> None:
        for packet in packets(values, numbers):
            self.sockets[stream].send_multipart(packet)

    def finished(self) -> Any:
        until_s = time.monotonic() + LONGEST_S
        while time.monotonic() < until_s:
            progress = self.get("progress")
            if progress["finished"]:
                return progress
            time.sleep(0.02)
        raise AssertionError(progress)

    def result(self, path: str) -> Any:
        answer = self.client.get(f"{self.reducer}/api/v1/result/{path}")
        assert answer.status_code == 200, answer.text
        return pickle.loads(answer.content)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    context: zmq.Context[Any] = zmq.Context()
    sockets, streams = {}, []
    for name in ("xrd", "slow"):
        sockets[name] = context.socket(zmq.PUSH)
        sockets[name].linger = 0
        port = sockets[name].bind_to_random_port("tcp://127.0.0.1")
        streams += ["--stream", f"{name}=stins,tcp://127.0.0.1:{port}"]
    streams += ["--stream", "macro=sardana,0"]
    box = socket.create_server(("127.0.0.1", 0))
    streams += ["--stream", f"pcap=soft:TemperedPcapIngester,tcp://127.0.0.1:{box.getsockname()[1]}"]
    streams += ["--stream", "temperature=software,pcap"]
    words = [*CODE, *streams, "--debugworkers", "1", "--port", "0", "--reducer-port", "0", "--debug-port", "0"]
    dumps = tmp_path_factory.mktemp("dumps")
    with started("dranspose", "run", *words, "--dump-folder", str(dumps), folder=FILES) as process:
        found = Door(process, sockets)
        found.dumps = dumps  # type: ignore[attr-defined]
        found.box = box  # type: ignore[attr-defined]
        yield found
        found.client.close()
        process.process.send_signal(signal.SIGINT)
        assert process.end().code == 130
    context.destroy(linger=0)
    box.close()


def each(n: int) -> list[Any]:
    return [[{"constraint": k}] for k in range(n)]


def test_a_dump_is_replayed(tmp_path: Path) -> None:
    path = dump(tmp_path / "a.cbors", range(9))
    (tmp_path / "p.json").write_text(json.dumps([{"name": "scale", "data": "1.0"}, {"name": "free", "data": "x"}]))
    said = ended(
        "dranspose", "replay", *CODE, "-f", str(path), "-p", str(tmp_path / "p.json"), "--nworkers", "3", folder=FILES
    )
    assert said.code == 0, said.text
    books = ledger_of(said.out)
    assert books["scan", "work"]["in"] == 11 + 2  # all three have the first
    assert books["work", "reduce"] == {**books["work", "reduce"], "in": 13, "done": 13}


def test_a_dump_that_is_not_there_is_said_before_anything_begins(tmp_path: Path) -> None:
    said = ended("dranspose", "replay", *CODE, "-f", str(tmp_path / "nothing.cbors"), folder=FILES)
    assert (said.code, said.out) == (2, "")
    assert f"-f: there is no file {tmp_path}/nothing.cbors" in said.err


def test_a_generator_is_replayed_and_its_results_stay(tmp_path: Path) -> None:
    words = ("-s", "rings:RingSource", "--port", "0", "--keep-alive")
    with started("dranspose", "replay", *CODE, *words, folder=FILES) as process:
        reducer = process.line("reducer:").split()[1]
        process.line("the results stay")
        assert httpx.get(f"{reducer}/api/v1/status").json() is True
        tree = pickle.loads(httpx.get(f"{reducer}/api/v1/result/pickle").content)
        views = httpx.get(f"{reducer}/api/v1/views").json()
        with h5pyd.File("/", "r", endpoint=reducer) as file:  # as their viewers open it
            seen = {"frames": file["frames"][1:4].tolist(), "sums": file["image/sums"][()].tolist()}
        process.process.send_signal(signal.SIGINT)
        assert process.end().code == 0
    assert tree["frames"] == list(range(6))
    assert tree["image"] == {"sums": [200.0 * k for k in range(6)], "last": pytest.approx([5] * 10)}
    assert tree["finished"] == "rings"
    assert seen == {"frames": [1, 2, 3], "sums": tree["image"]["sums"]}
    assert tree["starts"] == ["a", "a"]
    assert {view["name"] for view in views} >= {"reduce/frames", "reduce/image/sums", "reduce/title_attrs/NX_class"}


def test_a_scan_is_run(door: Door) -> None:
    assert door.post("parameter/scale", content=b"1").status_code == 200
    assert door.post("parameter/dump_prefix", content=b"b/").status_code == 200
    cells = [[{"constraint": k}, *([{"tags": ["debug"]}] if k % 4 == 0 else [])] for k in range(12)]
    scan = door.begin({"xrd": cells, "slow": [cells[k] if k % 4 == 0 else None for k in range(12)]})
    door.send("xrd", range(12))
    door.send("slow", range(3))
    progress = door.finished()
    assert door.post("parameter/dump_prefix", content=b"").status_code == 200
    assert progress == {**progress, "outcome": "finished", "total_events": 14, "completed_events": 14, "lost": {}}
    assert door.result("frames") == [list(range(12))]
    assert np.array_equal(door.result("image.sums.`numpy(2:4)`"), [[200.0, 300.0]])
    assert len(door.result("ends")[0]) == 2  # the end goes to everybody
    folder: Path = door.dumps / "b"  # type: ignore[attr-defined]
    written = list(read_dump(folder / f"slow-ingester-{scan}.cbors"))
    assert [event.event_number for event in written] == [0, 1, 5, 9, 13]
    assert json.loads((folder / f"mapping-{scan}.json").read_text()) == door.get("sequence")
    last = httpx.get(f"{door.debug}/api/v1/last_events", params={"number": 2})
    serve_dranspose()
    assert [(event.event_number, sorted(event.streams)) for event in pickle.loads(last.content)] == [
        (9, ["slow", "xrd"]), (13, ["slow", "xrd"]),
    ]  # fmt: skip


def test_one_that_is_killed_leaves_nothing_in_the_folder_of_temporary_files(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ports = ("--port", "0", "--reducer-port", "0", "--debug-port", "0")
    words = ("--stream", "xrd=stins,tcp://127.0.0.1:1", "--stream", "macro=sardana,0", "--debugworkers", "2", *ports)
    with started("dranspose", "run", *CODE, *words, folder=FILES, environ={"TMPDIR": str(temporary)}) as process:
        controller, reducer = (process.line(f"{name}:").split()[1] for name in ("controller", "reducer"))
        process.line("debug worker:")
        early = httpx.get(f"{reducer}/", timeout=LONGEST_S)
        assert (early.status_code, "no scan has begun" in early.text) == (404, True), (
            "nobody waits for what is not there"
        )
        answer = httpx.post(f"{controller}/api/v1/mapping", json={"xrd": each(3)}, timeout=LONGEST_S)
        assert answer.status_code == 200, answer.text
        process.process.kill()
        process.process.wait(LONGEST_S)
    assert list(temporary.iterdir()) == []


def test_too_few_frames_end_a_scan_and_the_next_has_new_objects_and_the_old_context(door: Door) -> None:
    door.begin({"xrd": each(9)})  # `slow` is not named, and not connected to
    door.send("xrd", range(5))
    assert door.finished()["outcome"] == "incomplete"
    assert door.result("frames") == [list(range(5))]
    before = door.result("scans[0]")[0]
    door.begin({"xrd": each(4)})
    door.send("xrd", range(4), [0, 2, 2, 3])  # one is lost, and another comes twice
    assert door.finished()["outcome"] == "incomplete"
    assert door.result("frames") == [[0, 2, 3]]
    assert door.result("scans[0]") == [before + 1]
    assert len(door.result("ends")[0]) == 2


def test_parameters_change_meanwhile_and_whoever_dies_or_raises_ends_no_scan(door: Door) -> None:
    before = door.get("config")["parameters_hash"]
    door.begin({"xrd": each(10)})
    door.post("parameter/scale", content=b"10")
    changed = door.post("parameter/free", content=b"\0\1").json()
    assert door.get("config")["parameters_hash"] == changed != before
    assert door.client.get(f"{door.controller}/api/v1/parameter/free").content == b"\0\1"
    assert door.post("parameter/row", content=b"1,5").status_code == 422
    names = [each["name"] for each in door.get("parameters")]
    assert names == ["dump_prefix", "mask", "row", "scale", "sleep", "title"]
    door.send("xrd", [0, 1, 1000, 3, 4, 2000, 6, 7, 8, 9])
    progress = door.finished()
    assert progress["outcome"] == "finished"  # every event is in an account
    assert door.result("frames") == [[0, 1, 3, 4, 6, 7, 8, 9]]
    assert door.result("image.sums.`numpy(:3)`")[0].tolist() == [0.0, 1000.0, 3000.0]
    status = door.get("status")
    books = {(edge["from"], edge["to"]): edge["accounts"] for edge in status["books"]}
    assert books["scan", "work"]["dead-lettered"] == 1
    assert books["scan", "work"]["failed"] >= 1  # and copies of the start, of workers that died
    # In any order: that of event 3 is known when the third worker has died of it.
    causes = sorted((failure["event"], "bad frame" in failure["cause"]) for failure in status["failures"])
    assert causes == [(3, False), (6, True)]
    assert sorted(line["message"][:7] for line in door.get("logs?level=ERROR")) == ["event 3", "event 6"]
    assert door.client.get(f"{door.controller}/api/v1/logs?level=LOUD").status_code == 400


def test_a_users_ingester_gives_a_stream_and_what_it_reads_with_each_of_its_frames(door: Door) -> None:
    cells = [[{"constraint": k}, {"tags": ["debug"]}] for k in range(4)]
    door.begin({"pcap": cells, "temperature": cells})
    box: socket.socket = door.box  # type: ignore[attr-defined]
    box.settimeout(LONGEST_S)
    connection, _ = box.accept()
    with connection:
        assert connection.recv(1) == b"\n"
        rows = b"".join(b" %d\n" % k for k in range(4))
        header = b"arm_time: 2026-11-27T00:00:00Z\nmissed: 0\nprocess: Scaled\nformat: ASCII\nfields:\n"
        connection.sendall(b"OK\n" + header + b" COUNTER.OUT uint32 Value\n\n" + rows + b"END 4 Disarmed\n")
        progress = door.finished()
    assert progress == {**progress, "outcome": "finished", "completed_events": 6}
    last = httpx.get(f"{door.debug}/api/v1/last_events", params={"number": 6})
    serve_dranspose()
    events = pickle.loads(last.content)
    assert [event.streams["pcap"].frames[0] for event in events[1:5]] == [b" 0\n", b" 1\n", b" 2\n", b" 3\n"]
    temperatures = [event.streams["temperature"] for event in events]
    assert [json.loads(each.frames[0])["reading"] for each in temperatures] == list(range(6))
    assert {each.typ for each in temperatures} == {"JSON"}


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ({"xrd": each(3), "slow": [None] * 2}, "equally many"),
        ({"xrd": []}, "no events"),
        ({"nix": [None]}, "not available"),
        ({"xrd": [[{"constraint": 0, "tags": ["gold"]}]]}, "no worker has"),
        ({"xrd": [[{"constraint": k} for k in range(3)]]}, "3 different workers"),
        ({"xrd": [5]}, ""),
        ({"pcap": each(2), "temperature": [None, each(1)[0]]}, "read by software with each frame of pcap"),
    ],
)
def test_a_wrong_map_is_refused(door: Door, cells: dict[str, Any], text: str) -> None:
    answer = door.post("mapping", json=cells)
    assert answer.status_code in (400, 422)
    assert text in answer.text


def test_a_scan_is_begun_by_sardana_and_stopped(door: Door) -> None:
    for path, record in (
        ("record_data", {"old": 1}),
        ("data_desc", {"title": "ascan", "serialno": 3}),
        ("custom_data", {}),
    ):
        assert door.client.post(f"{door.macro}/v1/{path}", json=record).status_code == 200
    answer = door.post("sardana_hook", json={"streams": ["xrd", "macro", "other"], "scan": {"nb_points": 5}})
    assert answer.status_code == 200
    progress = door.get("progress")
    assert (progress["total_events"], progress["finished"]) == (7, False)
    for k in range(5):
        assert door.client.post(f"{door.macro}/v1/record_data", json={"timestamp": k, "mot": 2.5}).status_code == 200
    door.send("xrd", range(3))
    books: dict[str, int] = {}
    until_s = time.monotonic() + LONGEST_S
    while books.get("joined", 0) < 6 and time.monotonic() < until_s:
        books = next(edge["accounts"] for edge in door.get("status")["books"] if edge["from"] == "macro")
    assert books["joined"] >= 6  # the start and five records; what was older is left out
    assert door.post("stop").status_code == 200
    assert door.finished()["outcome"] == "aborted"
