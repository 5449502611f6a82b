"""What a served run really answers is what the OpenAPI document says, field by field."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.web.document import document
from penstock.web.openapi import ANSWERS, BASE, OPEN
from tests.system.commands import started
from tests.system.test_web import until
from tests.system.watching import ROOT

jsonschema = pytest.importorskip("jsonschema", reason="what is answered is checked by jsonschema: ./dev setup has it")

PIPELINE = """
name: seen
beamtime: c1
sources: {{camera: {{use: "tests.system.controlled:Paced", rate: 2000, gate: "{out}/end", record: true}}}}
stages:
  work: {{from: camera, map: "tests.system.controlled:weighed"}}
  sum: {{from: work, reduce: "tests.system.controlled:Weights"}}
  last: {{from: camera, map: {{keep-events: {{n: 20}}}}}}
alarms: {{many: {{when: "work.arrived > 20", level: warning}}}}
"""
ASKED = """
    access alarms data/sum/rows?format=json&slice=:3 events events/last feedback flow flow/work history ledger load maps
    notices parameters past progress recordings replays run runs runs/first states status streams streams/about/c1
    streams/about/c1/camera/first streams/array/c1/camera/first?id=2&format=json streams/groups
    streams/messages/c1/camera/first?most=2 streams/messages/c1/camera/first?query=_id%20%3C%203 views views/sum/rows
"""
DONE: tuple[tuple[str, str, Any], ...] = (
    ("put", "parameters", {"values": {"factor": 2.0}, "who": "me"}),
    ("put", "stages/work/workers", {"workers": 2}),
    ("post", "commands", {"name": "status"}),
    ("post", "alarms/many/acknowledge", {"who": "me"}),
    ("post", "alarms/many/mute", {"for_s": 60}),
    ("post", "run/stop", {}),
)
AFTER = ("commands", "journal", "parameters/changes", "runs", "runs/first", "run", "status")
UNTRIED = {
    ("get", "past/{name}"),  # of the first moment, which is kept after 5 s
    ("post", "maps/{join}"),
}


class Said:
    """What the document says, without room for what it does not name."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self.tried: set[tuple[str, str]] = set()
        for name, found in document["components"]["schemas"].items():
            if name not in OPEN and found.get("type") == "object":
                found["additionalProperties"] = False

    def check(self, method: str, path: str, answer: httpx.Response) -> None:
        assert answer.status_code == 200, f"{method} {path}: {answer.text}"
        row = next(each for each in ANSWERS if each[0] == method and _is_of(each[1], path.partition("?")[0]))
        content = self._document["paths"][f"{BASE}{row[1]}"][method]["responses"]["200"]["content"]
        schema = {**content["application/json"]["schema"], "components": self._document["components"]}
        found = list(jsonschema.Draft202012Validator(schema).iter_errors(answer.json()))
        assert [f"{each.json_path}: {each.message}" for each in found] == [], f"{method} {path}"
        self.tried.add(row)


def _is_of(template: str, path: str) -> bool:
    words, given = template.split("/"), path.split("/")
    if words[-1].startswith("{") and len(given) > len(words):
        given = [*given[: len(words) - 1], "/".join(given[len(words) - 1 :])]
    return len(words) == len(given) and all(
        word == each or word.startswith("{") for word, each in zip(words, given, strict=True)
    )


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "seen.yaml").write_text(PIPELINE.format(out=tmp_path))
    words = ("run", "seen.yaml", "--serve", "0", "--stay", "--run", "first")
    with started(*words, folder=tmp_path, environ={"PYTHONPATH": str(ROOT)}) as process:
        yield process.line("views: ").removeprefix("views: ").strip()
        process.process.kill()


def test_a_run_answers_as_the_document_says(address: str) -> None:
    with httpx.Client(base_url=f"{address}{BASE}", timeout=20) as client:
        until(lambda: client.get("alarms").json()["alarms"][0]["state"] == "raised")
        until(lambda: any(each["name"] == "sum/rows" for each in client.get("views").json()))
        until(lambda: client.get("events").json()[0]["kept"] > 0)
        said = Said(client.get("openapi.json").json())
        for path in ASKED.split():
            said.check("get", path, client.get(path))
        for method, path, body in DONE:
            said.check(method, path, client.request(method, path, json=body))
        until(lambda: client.get("run").json()["ended"])
        for path in AFTER:
            said.check("get", path, client.get(path))
        begun = client.post("replays", json={"run": "first", "who": "me"})
        said.check("post", "replays", begun)
        said.check("post", "replays/{name}/end", client.post(f"replays/{begun.json()['name']}/end", json={"who": "me"}))
        said.check("get", "replays", client.get("replays"))
        assert client.get("openapi.json").content == document()
        until(lambda: "arm" in client.get("states").json()["allowed"])
        said.check("post", "runs", client.post("runs", json={}))
    assert set(ANSWERS) - said.tried == UNTRIED
