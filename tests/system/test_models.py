"""A model as a worker, behind a correction: fed in processes, its file and parameters changed on the way."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from penstock.errors import ParameterError
from penstock.pipeline import Pipeline
from tests.system.controlled import SIZE
from tests.system.watching import PATIENCE_S
from tests.unit.elements.workers.onnx_models import linear

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


def sums(folder: Path) -> list[float]:
    out = folder / "out.jsonl"
    return [json.loads(line)["sum"] for line in out.read_text().splitlines()] if out.exists() else []


def goes_on(folder: Path, value: float, events: int = 20) -> None:
    """Wait until that is what the model says of so many more events."""
    wanted, end = sums(folder).count(value) + events, time.monotonic() + PATIENCE_S
    while sums(folder).count(value) < wanted:
        assert time.monotonic() < end, f"it is not {value}: {sums(folder)[-3:]}"
        time.sleep(0.02)


def test_inline_it_is_a_worker_as_any(tmp_path: Path) -> None:
    report = Pipeline.load(prepared(tmp_path, 40)).run("inline")
    assert report.outcome == "finished", report.reasons
    assert report.edge("scan", "net").accounts == {"done": 40}
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["sum"] for row in found] == [float(SIZE)] * 40


def test_steps_values_and_model_change_while_it_runs_and_outlive_a_worker(tmp_path: Path) -> None:
    with Pipeline.load(prepared(tmp_path, 0)).start("local") as run:
        goes_on(tmp_path, SIZE)
        run.set({"net.correct.fill": 3.0})
        goes_on(tmp_path, 3.0 * SIZE)
        first = {process.name: process.pid for process in run.statistics().processes}
        os.kill(first["net-0"], signal.SIGKILL)
        goes_on(tmp_path, 3.0 * SIZE, 200)
        assert {process.name: process.pid for process in run.statistics().processes}["net-0"] != first["net-0"]
        linear(tmp_path / "net.onnx", 2.0, shape=("n", SIZE))
        goes_on(tmp_path, 6.0 * SIZE)
        with pytest.raises(ParameterError, match="does not point to a file"):
            run.set({"net.model": "none.onnx"})
        run.set({"net.model": linear(tmp_path / "other.onnx", 5.0, shape=("n", SIZE))})
        goes_on(tmp_path, 15.0 * SIZE)
        run.stop()
        report = run.wait(PATIENCE_S)
    found = sums(tmp_path)
    changes = [value for value, before in zip(found, [0.0, *found], strict=False) if value != before]
    assert changes[:2] == [SIZE, 3.0 * SIZE], "who followed went back to the start values"
    assert set(found) == {factor * SIZE for factor in (1.0, 3.0, 6.0, 15.0)}
    assert changes[-1] == 15.0 * SIZE
    assert changes.count(15.0 * SIZE) == 1
    assert report.edge("scan", "net").accounts == {"done": len(found)}
