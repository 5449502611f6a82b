"""The example that tags images with the angle of a slow encoder, on instruments of its own that do not exist."""

import doctest
import importlib
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from penstock.monitor.report import RunReport
from penstock.pipeline.check import check_file
from penstock.pipeline.pipeline import find_engine
from tests.system.simulated_scan import simulating

EXAMPLE = Path(__file__).parents[2] / "examples/tomography"
PROJECTIONS, READINGS = 180, 20
"""A quarter of a turn, and two readings too many."""


def outcome(folder: Path, engine: str) -> RunReport:
    pipeline = folder / "pipeline.yaml"
    with (
        simulating(folder, "rotation:Camera", "--points", f"1x{PROJECTIONS}") as (_, camera),
        simulating(folder, "rotation:Encoder", "--points", f"1x{READINGS}") as (_, encoder),
    ):
        text = pipeline.read_text().replace("tcp://127.0.0.1:5556", camera).replace("tcp://127.0.0.1:8888", encoder)
        pipeline.write_text(text)
        checked = check_file(pipeline, {})
        assert not checked.problems
        assert checked.plan is not None
        report: RunReport = find_engine(engine)(checked.plan, run_id="r1")
    return report


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_angles_follow_the_stage_and_the_slice_shows_the_sample(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tomography"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("penstock-out", "__pycache__"))
    monkeypatch.syspath_prepend(folder)
    rotation = importlib.import_module("rotation")
    report = outcome(folder, engine)
    assert (report.outcome, report.adds_up) == ("finished", True)
    assert report.edge("encoder", "projection").accounts["dropped"] == READINGS - PROJECTIONS // 10
    with h5py.File(report.outputs["file"]) as file:
        angle, sinogram, image = file["angle"][()], file["sinogram"][()], file["slice"][()]
        place = file["x"][()]
    asked = np.array([rotation.angle_deg(number * rotation.FRAME_MS / 1000) for number in range(PROJECTIONS)])
    assert abs(angle - asked).max() < 0.15  # the stage wobbles by this much between two readings
    assert abs(sinogram - np.array([rotation.absorbed(at) for at in asked])).max() < 0.05
    for x, y, _, _ in rotation.GRAINS[1:3]:
        rows, columns = abs(place - y) < 4, abs(place - x) < 4
        near = image[np.ix_(rows, columns)]
        row, column = np.unravel_index(near.argmax(), near.shape)
        assert place[rows][row] == pytest.approx(y, abs=2)
        assert place[columns][column] == pytest.approx(x, abs=2)
        assert near.max() > 3 * np.median(image)


def test_its_docstring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    failed, tried = doctest.testmod(importlib.import_module("project"))
    assert (failed, tried > 0) == (0, True)
