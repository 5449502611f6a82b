"""A model as a worker, behind a correction: fed in processes, its file and parameters changed on the way."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from penstock.client import connect
from penstock.errors import ParameterError
from penstock.pipeline import Pipeline
from tests.system.commands import Process
from tests.system.controlled import SIZE
from tests.system.watching import PATIENCE_S
from tests.unit.elements.workers.onnx_models import linear

ROOT = Path(__file__).parents[2]
TEXT = """
name: models
sources: {camera: {use: "tests.system.controlled:Paced", rate: 200, n: N}}
events: {scan: {join: [camera], by: key}}
stages:
  net:
    from: scan
    prepare:
      - correct: {field: camera, mask: mask.npy, fill: 1.0}
    map: {onnx: {field: camera, outputs: [sum], model: net.onnx}}
    workers: 2
sinks: {out: {use: json-lines, from: net, path: out.jsonl}}
"""


def prepared(folder: Path, n: int) -> Path:
    np.save(folder / "mask.npy", np.ones(SIZE, bool))
    linear(folder / "net.onnx", 1.0, shape=("n", SIZE))
    (folder / "p.yaml").write_text(TEXT.replace("n: N", f"n: {n}"))
    return folder / "p.yaml"


def heard(process: Process, out: Path, value: float) -> None:
    """Wait until that is what the model says."""
    end = time.monotonic() + PATIENCE_S
    while not out.exists() or f'"sum":{value:.1f}' not in "".join(out.read_text().splitlines()[-20:]):
        assert time.monotonic() < end, out.read_text()[-300:] if out.exists() else "nothing was written"
        assert process.process.poll() is None, process._lines
        time.sleep(0.05)


def test_inline_it_is_a_worker_as_any(tmp_path: Path) -> None:
    report = Pipeline.load(prepared(tmp_path, 40)).run("inline")
    assert report.outcome == "finished", report.reasons
    assert report.edge("scan", "net").accounts == {"done": 40}
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["sum"] for row in found] == [float(SIZE)] * 40


def test_what_it_is_fed_and_its_file_may_change_while_it_runs(tmp_path: Path) -> None:
    prepared(tmp_path, 0)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = Process("run", "p.yaml", "-q", "--serve", "0", folder=tmp_path, environ=environ)
    out = tmp_path / "out.jsonl"
    try:
        address = "http://" + process.line("").partition("http://")[2].split()[0]
        with connect(address) as run:
            heard(process, out, SIZE)
            run.parameters.set({"net.correct.fill": 3.0})
            heard(process, out, 3 * SIZE)
            linear(tmp_path / "net.onnx", 0.5, shape=("n", SIZE))
            heard(process, out, 1.5 * SIZE)
            run.parameters.set({"net.model": linear(tmp_path / "other.onnx", -1.0, shape=("n", SIZE))})
            heard(process, out, -3 * SIZE)
            with pytest.raises(ParameterError, match="does not point to a file"):
                run.parameters.set({"net.model": "none.onnx"})
    finally:
        process.close()
