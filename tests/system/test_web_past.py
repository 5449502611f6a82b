"""What a served program tells of the past, and replays beside its run, with real processes."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from penstock.services.web_service import WebService
from tests.system.commands import started
from tests.system.test_web import pipeline, until
from tests.system.watching import ROOT, descendants

RECORDED = """
name: seen
beamtime: c1
sources: {{camera: {{use: "tests.system.controlled:Paced", rate: 2000, gate: "{out}/end", record: true}}}}
stages:
  work: {{from: camera, map: "tests.system.controlled:weighed"}}
  sum: {{from: work, reduce: "tests.system.controlled:Weights"}}
sinks: {{file: {{use: hdf5, from: sum, path: "{out}/{{run}}.h5"}}}}
control: {{zmq: "ipc://{out}/commands"}}
logs: {{folder: "{out}/logs"}}
"""


def api(address: str) -> Callable[..., Any]:
    def call(path: str, body: Any = None, method: str = "POST") -> Any:
        url = f"{address}/api/v1/{path}"
        answer = httpx.get(url, timeout=20) if body is None else httpx.request(method, url, json=body, timeout=20)
        return answer.json()

    return call


def test_who_changed_what_is_told_with_what_was_before(tmp_path: Path, nothing_left_open: None) -> None:
    gate = tmp_path / "end"
    with WebService(port=0) as web, pipeline(gate).start(web=web) as run:
        call = api(web.address)
        for value in (2.0, 3.0):
            call("parameters", {"values": {"factor": value}, "who": "me"}, "PUT")
        first, second = changes = call("parameters/changes")
        assert [each["before"] for each in changes] == [{"work.factor": 1.0}, {"work.factor": 2.0}]
        assert (first["who"], second["values"], second["revision"]) == ("me", {"work.factor": 3.0}, 2)
        until(lambda: call("journal?kind=command")["entries"] != [])
        found = call("journal?kind=command&text=FACTOR")
        assert [entry["name"] for entry in found["entries"]] == ["set", "set"]
        assert call(f"journal?after={found['last']}&kind=command")["entries"] == []
        assert call(f"runs/{run.id}")["outcome"] == "running"
        assert web.pid is not None
        os.kill(web.pid, signal.SIGKILL)  # nothing of it is kept there
        assert call("parameters/changes") == changes
        gate.touch()
        assert run.wait(20).outcome == "finished"


def test_a_recorded_run_is_replayed_beside_the_live_one_and_ends_with_the_program(tmp_path: Path) -> None:
    (tmp_path / "seen.yaml").write_text(RECORDED.format(out=tmp_path))
    environ = {"PYTHONPATH": str(ROOT)}
    words = ("run", "seen.yaml", "--serve", "0", "--stay", "--run", "first")
    with started(*words, folder=tmp_path, environ=environ) as process:
        address = process.line("views: ").removeprefix("views: ").strip()
        call = api(address)
        until(lambda: call("progress")["formed"] > 50)
        call("parameters", {"values": {"factor": 3}, "who": "me"}, "PUT")
        (tmp_path / "end").touch()
        process.line("the views stay at")
        assert [each["before"] for each in call("parameters/changes")] == [{"work.factor": 1.0}]
        assert call("journal?kind=run")["entries"][-1]["outcome"] == "finished"
        assert call("runs")[0]["kept"]
        assert call("runs/first")["outcome"] == "finished"
        assert [each["run"] for each in call("recordings")["runs"]] == ["first"]
        written = {each.name for each in tmp_path.iterdir()}
        begun = call("replays", {"run": "first", "who": "me"})
        until(lambda: call("replays")[0]["state"] == "shown")
        (told,) = call("replays")
        assert (told["name"], told["who"]) == (begun["name"], "me")
        replay = api(told["address"])
        until(lambda: replay("run")["ended"])
        assert replay("status")["outcome"] == "finished"
        live, again = (each("data/sum/rows?format=json")["data"] for each in (call, replay))
        assert live == again
        assert {each.name for each in tmp_path.iterdir()} == written  # no sink, no journal, no second door
        children = descendants(process.process.pid)
        process.process.kill()
        until(lambda: not any(_lives(pid) for pid in children))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False
