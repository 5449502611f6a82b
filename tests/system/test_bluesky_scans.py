"""Scans of a real RunEngine begin and end runs of a pipeline that stays."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from penstock.client import connect
from tests.system.commands import LONGEST_S, Process
from tests.system.test_chain_examples import free_ports

pytest.importorskip("bluesky", reason="no bluesky on this machine; pip install bluesky ophyd")
pytest.importorskip("ophyd", reason="no ophyd on this machine; pip install bluesky ophyd")
ROOT = Path(__file__).parents[2]
PIPELINE = """
name: analysis
sources:
  n: {use: numbers, every_s: 0.01}
  readings: {use: zmq-pull, connect: "JUDGED", encoding: json}
stages:
  add: {from: n, steps: ["adding:add"]}
  judge: {from: readings, steps: ["tests.system.judging:Judge"]}
sinks: {out: {use: json-lines, from: add, path: "{run}.jsonl"}}
"""
ADDING = """
def add(item, *, by: int = 0):
    return by
"""


def test_each_scan_has_a_run_of_its_own_and_obeys_what_its_analysis_says(tmp_path: Path) -> None:
    judged = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    (tmp_path / "p.yaml").write_text(PIPELINE.replace("JUDGED", judged))
    (tmp_path / "adding.py").write_text(ADDING)
    process = Process(
        "run",
        "p.yaml",
        "-q",
        "--stay",
        "--serve",
        "0",
        "--run",
        "first",
        folder=tmp_path,
        environ={"PYTHONPATH": str(ROOT)},
    )
    try:
        address = "http://" + process.line("").partition("http://")[2].split()[0]
        words = [sys.executable, "-m", "tests.system.bluesky_scans", address, judged]
        environ = {**os.environ, "TMPDIR": str(tmp_path)}
        said = subprocess.run(
            words, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
        assert said.returncode == 0, said.stderr
        *names, error, obeyed = json.loads(said.stdout.splitlines()[-1])
        with connect(address) as run:
            runs = {each["run"]: each["outcome"] for each in run.runs}
    finally:
        process.close()
    assert runs == dict.fromkeys(["first", *names, obeyed["run"]], "finished")
    assert [name.split("-")[:2] for name in names] == [["scan", "1"], ["scan", "2"]]
    for name, points in zip(names, (4, 7), strict=True):
        assert set((tmp_path / f"{name}.jsonl").read_text().split()) == {str(points)}
    assert error
    assert "has no analysis: nobody answers at http://127.0.0.1:9" in said.stderr
    counts = Counter(obeyed["readings"])
    assert list(counts) == [-1, 0, 1], "the scan ended at the third of five points"
    assert min(counts[-1], counts[0]) >= 3
    assert max(counts.values()) < 100
    assert (obeyed["exit"], obeyed["state"]) == ("success", "idle")
    assert obeyed["said"] == [["next", "judge"], ["next", "judge"], ["stop", "judge"]]
