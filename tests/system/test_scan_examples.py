"""The examples of what beamlines scan, as they are run: on instruments that do not exist, and on recordings."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from penstock.simulators import XrfScan
from penstock.simulators.albaem import AlbaemSimulator
from penstock.simulators.lecroy import LecroySimulator
from penstock.simulators.powder import RINGS_A
from penstock.simulators.stins import StinsSimulator
from tests.system.example_runs import COLUMNS, EXAMPLES, ROWS, N, finished, outcome, planned

pytest.importorskip("matplotlib")

SCAN = XrfScan(ROWS, COLUMNS)


def test_the_beam_in_an_ion_chamber(tmp_path: Path) -> None:
    # 42 readings are too quick for an alarm, but its conditions are checked with the rest.
    report = outcome("chamber", tmp_path, {"${ALBAEM:-tcp://127.0.0.1:5556}": "albaem"})
    currents_A = np.array([AlbaemSimulator(SCAN).currents(n) for n in range(N)])
    with h5py.File(report.outputs["file"]) as file:
        curves = {name: each[()] for name, each in file["over_time"].items()}
        assert curves["I0_A"].tolist() == currents_A[:, 0].tolist()
        assert curves["transmission"] == pytest.approx(currents_A[:, 1] / currents_A[:, 0])
        assert curves["time_s"] == pytest.approx(np.arange(N) * 0.02)
        # A photon of 10 keV makes 287 pairs in nitrogen, if it is one of the 5 % that are absorbed.
        assert curves["photons_per_s"] == pytest.approx(currents_A[:, 0] / 1.602e-19 / (10_000 / 34.8) / 0.05, rel=1e-3)
        assert file["spread"][()] == pytest.approx(np.std(currents_A[:, 0]) / np.mean(currents_A[:, 0]))
        assert file["over_time"].attrs["axes"].tolist() == ["time_s"]


def test_the_beam_of_a_real_electrometer(tmp_path: Path, recordings: Path) -> None:
    environ = {"RECORDINGS": str(recordings.absolute())}
    report = finished(planned("chamber", tmp_path, file="from-file.yaml", environ=environ))
    with h5py.File(report.outputs["file"]) as file:
        assert file["over_time/I0_A"][()] == pytest.approx([2.535e-10, 2.492e-10, 2.621e-10, 2.553e-10], rel=1e-3)
        assert file["over_time/time_s"][()] == pytest.approx([0, 3.1357, 7.1194, 12.9411], abs=1e-3)


def test_pulses_of_an_oscilloscope(tmp_path: Path) -> None:
    report = outcome("traces", tmp_path, {"tcp://127.0.0.1:5556": "lecroy"})
    simulated = LecroySimulator(SCAN)
    with h5py.File(report.outputs["file"]) as file:
        mean, time_ns = file["traces/mean"][()], file["traces/time"][()]
        assert mean.shape == (2, 500)
        assert (time_ns[0], time_ns[-1]) == pytest.approx((-10, 39.9))
        assert mean == pytest.approx(np.mean([simulated.traces(n)[:, 0] for n in range(N)], axis=0), abs=0.001)
        height, rise = file["shots/height_V"][()], file["shots/rise_s"][()]
        assert height.shape == rise.shape == (N, 2)
        assert 0.15 < height[:, 0].min() < height[:, 0].max() < 0.17
        assert height[:, 1].min() < 0.9 * height[:, 0].min()  # behind the sample there is less
        assert rise[:, 0].mean() == pytest.approx(0.7e-9, rel=0.2)
        assert file["traces/channel"][()].tolist() == [2, 4]


def test_a_wave_of_a_real_oscilloscope(tmp_path: Path, recordings: Path) -> None:
    environ = {"RECORDINGS": str(recordings.absolute())}
    report = finished(planned("traces", tmp_path, file="from-file.yaml", environ=environ))
    with h5py.File(report.outputs["file"]) as file:
        assert file["traces/mean"].shape == (2, 8002)
        assert abs(file["shots/height_V"][()]) == pytest.approx(np.array([[0.169, 0.220], [0.175, 0.226]]), abs=0.001)


def test_frames_lie_where_they_were_taken(tmp_path: Path) -> None:
    grid = {"rows: 21": f"rows: {ROWS}", "columns: 31": f"columns: {COLUMNS}"}
    instruments = {"tcp://127.0.0.1:9999": "eiger", "tcp://127.0.0.1:8888": "pandabox-framed"}
    report = outcome("ptycho", tmp_path, instruments, changes=grid, compression="bslz4")
    with h5py.File(report.outputs["views"]) as file:
        frames, panda = file["entry/instrument/frames"], file["entry/instrument/panda"]
        assert frames["event"][()].tolist() == panda["event"][()].tolist() == [*range(N)]
        assert frames["data"].shape == (N, 64, 64)
        assert frames["data"].id.get_create_plist().get_nfilters() == 1  # as it came
        measured = np.stack([panda["INENC1.VAL.Mean"], panda["INENC2.VAL.Mean"]], axis=1)
        assert measured == pytest.approx(np.array([SCAN.position(n) for n in range(N)]))
        assert (file["entry/map/hits"][()] == 1).all()
        assert file["entry/outside/outside"][()] == 0
        bright, points = file["entry/map/bright"][()], file["entry/points/bright"][()]
        assert (bright.ravel() == points).all()
        # The more there is of the sample, the less comes through.
        amounts = [sum(SCAN.amounts(n).values()) for n in range(N)]
        assert np.corrcoef(points, np.exp(-np.array(amounts) / 600))[0, 1] > 0.99


def test_a_slice_of_a_sample_that_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = finished(planned("tomography", tmp_path))
    monkeypatch.syspath_prepend(EXAMPLES / "tomography")
    sample = __import__("tomograph").sample()
    with h5py.File(report.outputs["file"]) as file:
        # The axis says four times a second where it is, and the projections lie between.
        assert file["sinogram/angle"][()] == pytest.approx(np.arange(180), abs=1e-6)
        assert 0.2 < file["oldest_s"][()] < 0.25
        assert list(file["sinogram"].attrs["axes"]) == ["angle", "s"]
        found = file["slice/absorption"][()]
        assert np.corrcoef(found.ravel(), sample.ravel())[0, 1] > 0.98
        for y, x, expected in ((0, 0, 0.01), (10, 8, 0.04), (-12, -6, 0.03), (4, -15, 0), (0, 40, 0)):
            disc = found[47 + y - 1 : 47 + y + 2, 47 + x - 1 : 47 + x + 2]
            assert disc.mean() == pytest.approx(expected, abs=0.001)


def test_patterns_are_divided_by_the_beam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_numpy = {"by: auto": "by: numpy"}
    instruments = {"tcp://127.0.0.1:5556": "stins", "tcp://127.0.0.1:5557": "albaem"}
    report = outcome("azimuthal", tmp_path, instruments, changes=by_numpy)
    with h5py.File(report.outputs["file"]) as file:
        q, mean, scale = file["mean/q"][()], file["mean/pattern"][()], file["all/scale"][()]
        assert scale == pytest.approx([2e-9 / AlbaemSimulator(SCAN).currents(n)[0] for n in range(N)])
        rings = {element: 2 * np.pi / distance for element, distance in RINGS_A.items()}  # in 1/Å
        for ring in rings.values():
            near = np.flatnonzero(abs(q - ring) < 0.2)
            assert q[near[np.nanargmax(mean[near])]] == pytest.approx(ring, abs=0.06)
        # Patterns of one image, from both who can integrate it.
        monkeypatch.syspath_prepend(EXAMPLES / "azimuthal")
        code = __import__("integrate")
        image = StinsSimulator(SCAN).image(5)
        mine = code.Numpy(EXAMPLES / "azimuthal/camera.poni", 100, 4.0)(image)
        assert file["all/pattern"][5] == pytest.approx(mine * scale[5], nan_ok=True)
        if code.pyFAI is not None:
            theirs = code.PyFAI(EXAMPLES / "azimuthal/camera.poni", 100, 4.0)(image)
            assert theirs == pytest.approx(mine, rel=1e-4, nan_ok=True)
