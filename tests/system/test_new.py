"""A new project as a newcomer meets it: made, checked, run on each engine, and its own test run."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.system.commands import assert_adds_up, ended

NAME = "beam-test"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = ended("new", NAME, folder=tmp_path)
    assert made.code == 0, made.text
    return tmp_path / NAME


def test_nothing_is_wrong_with_a_new_project(project: Path) -> None:
    said = ended("check", "pipeline.yaml", folder=project)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("pipeline.yaml: nothing is wrong\n")
    assert "warning" not in said.out


def test_it_runs_with_the_same_results_on_every_engine(project: Path) -> None:
    inline, local = (_views(project, engine) for engine in ("inline", "local"))
    assert inline.keys() == {"counts", "center", "track"}
    assert inline["track"].sum() == 100
    for name, view in inline.items():
        np.testing.assert_array_equal(view, local[name])


def test_its_own_test_passes_and_fails_with_another_analysis(project: Path) -> None:
    before = {path.name for path in project.iterdir()}
    assert "4 passed" in _pytest(project, code=0)
    assert {path.name for path in project.iterdir()} - before <= {"__pycache__", ".pytest_cache"}  # no results
    analysis = project / "analysis.py"
    text = analysis.read_text()
    assert "> threshold" in text
    analysis.write_text(text.replace("> threshold", "< threshold"))
    assert "2 failed, 2 passed" in _pytest(project, code=1)


def _views(project: Path, engine: str) -> dict[str, np.ndarray]:
    """Run it; return what is in the file it wrote."""
    said = ended("run", "pipeline.yaml", "--engine", engine, "--run", engine, "--report", "r.json", folder=project)
    assert said.code == 0, said.text
    assert said.out.splitlines()[-1].startswith(f"{NAME} {engine}: finished")
    said = replace(said, report=json.loads((project / "r.json").read_bytes()))
    assert_adds_up(said)
    assert said.edge("camera", "measure") == {"in": 100, "done": 100}
    with h5py.File(project / "penstock-out" / f"{engine}.h5") as file:
        return {name: view[()] for name, view in file.items() if "long_name" in view.attrs}


def _pytest(project: Path, *, code: int) -> str:
    """Run the project's own test as its README says, with warnings as errors."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environ["PYTEST_DEBUG_TEMPROOT"] = str(project.parent)
    command = [sys.executable, "-W", "error", "-m", "pytest"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=project, env=environ, timeout=50)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout
