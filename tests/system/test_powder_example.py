"""The example that integrates with pyFAI, on instruments that do not exist."""

import shutil
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pytest

from penstock.monitor.report import RunReport
from penstock.pipeline.check import check_file
from penstock.pipeline.pipeline import find_engine
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup
from penstock.simulators.albaem import AlbaemSimulator
from penstock.simulators.stins import StinsSimulator
from penstock.simulators.xrf_scan import XrfScan

pyFAI = pytest.importorskip("pyFAI", reason="pyFAI is not installed; pip install pyFAI")

EXAMPLE = Path(__file__).parents[2] / "examples/powder"
PEAKS_per_A = {"Fe 110": 3.100, "Ni 200": 3.566}
"""2π by the distances of lattice planes that the simulated sample has."""


def outcome(folder: Path, engine: str) -> RunReport:
    shutil.copytree(EXAMPLE, folder / "powder", ignore=shutil.ignore_patterns("penstock-out", "__pycache__"))
    pipeline = folder / "powder/pipeline.yaml"
    with ExitStack() as stack:
        for name, written in (("stins", "tcp://127.0.0.1:5556"), ("albaem", "tcp://127.0.0.1:5557")):
            setup = Setup(instrument=name, rows=3, columns=4, faults="lost=0.1" if name == "albaem" else "")
            address = stack.enter_context(Simulated(setup)).address
            pipeline.write_text(pipeline.read_text().replace(written, address))
        checked = check_file(pipeline, {})
        assert not checked.problems
        assert checked.plan is not None
        report: RunReport = find_engine(engine)(checked.plan, run_id="r1")
    assert report.adds_up
    return report


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_patterns_are_those_of_pyfai_divided_by_the_beam(engine: str, tmp_path: Path) -> None:
    report = outcome(tmp_path, engine)
    scan = XrfScan(3, 4)
    images, beams = StinsSimulator(scan), AlbaemSimulator(scan)
    integrator = pyFAI.load(str(EXAMPLE / "camera.poni"))
    with h5py.File(report.outputs["file"]) as file:
        patterns, q, mean = file["patterns"][()], file["q"][()], file["mean"][()]
        beam = file["beam"][()]
    there = [
        point for point in range(scan.points) if np.isclose(beam, beams.currents(point)[0] / 2e-9, rtol=1e-9).any()
    ]
    assert len(there) == len(patterns) == report.edge("point", "integrate").accounts["done"] < scan.points
    for point, pattern in zip(there, patterns, strict=True):
        alone = integrator.integrate1d(images.image(point), len(q), unit="q_A^-1", radial_range=(2.0, 4.2))
        np.testing.assert_allclose(pattern * beams.currents(point)[0] / 2e-9, alone.intensity, rtol=1e-4)
    np.testing.assert_allclose(mean, patterns.mean(0), rtol=1e-4)
    for peak in PEAKS_per_A.values():
        near = abs(q - peak) < 0.15
        assert q[near][mean[near].argmax()] == pytest.approx(peak, abs=0.05)
