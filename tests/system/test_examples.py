"""The examples as a newcomer runs them: checked, run, and their outputs looked at."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from penstock.engines.inline import run
from penstock.monitor.report import RunReport
from penstock.pipeline.check import check_file

EXAMPLES = Path(__file__).parents[2] / "examples"

pytest.importorskip("matplotlib")


def outcome(example: str, file: str, folder: Path, **environ: str) -> RunReport:
    # A copy, because outputs lie beside the pipeline unless they are told otherwise.
    shutil.copytree(EXAMPLES / example, folder / example, ignore=shutil.ignore_patterns("penstock-out"))
    checked = check_file(folder / example / file, environ)
    assert not checked.problems
    assert checked.plan is not None
    return run(checked.plan, run_id="r1")


def test_the_first_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = outcome("first", "pipeline.yaml", tmp_path)
    assert (report.outcome, report.exit_code) == ("finished", 0)
    assert capsys.readouterr().out.splitlines()[-1] == "image 40"
    out = tmp_path / "first" / "penstock-out"
    assert sorted(path.name for path in out.iterdir()) == ["r1.h5", "r1.png"]
    with h5py.File(out / "r1.h5") as file:
        assert file["brightness"].shape == (40,)
        assert file["sum"][()].sum() == file["brightness"][()].sum() > 0


def test_the_nanomax_map_from_files(tmp_path: Path, recordings: Path) -> None:
    out = tmp_path / "out"
    report = outcome("nanomax", "from-files.yaml", tmp_path, RECORDINGS=str(recordings.absolute()), OUT=str(out))
    assert (report.outcome, report.exit_code) == ("finished", 0)
    assert report.joins["scan"].formed == 20
    assert (out / "r1.png").read_bytes().startswith(b"\x89PNG")
    with h5py.File(out / "r1.h5") as file:
        assert file.attrs["outcome"] == "finished"
        assert file["map/counts"].shape == (5, 4, 4)
        assert file["total/counts"][()].tolist() == [5, 7, 3, 32]
        assert np.abs(file["map/measured_x"][()] - file["map/x"][()]).max() < 0.005
        assert np.abs(file["map/measured_y"][()] - file["map/y"][()][:, None]).max() < 0.005


def test_the_nanomax_map_checks_without_an_instrument() -> None:
    assert not check_file(EXAMPLES / "nanomax" / "pipeline.yaml", {}).problems
