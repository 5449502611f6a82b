"""The examples that show one shape of analysis each, as they are run, on instruments that do not exist."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import penstock
from penstock.engines.local import LocalRun
from penstock.monitor.report import RunReport
from penstock.pipeline import Plan
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup
from penstock.simulators import XrfScan
from penstock.simulators.stins import StinsSimulator
from penstock.views import walk
from tests.system.commands import started
from tests.system.example_runs import COLUMNS, EXAMPLES, ROWS, N, outcome, planned
from tests.system.watching import PATIENCE_S

pytest.importorskip("matplotlib")


def test_a_curve_is_sorted_by_the_motors_position(tmp_path: Path) -> None:
    report = outcome("sorted", tmp_path, {"tcp://127.0.0.1:5556": "albaem", "tcp://127.0.0.1:8888": "pandabox"})
    with h5py.File(report.outputs["file"]) as file:
        x, transmission = file["x"][()], file["transmission"]
        assert x.shape == transmission.shape == (N,)
        assert x.tolist() == sorted(x)
        assert len(set(x.tolist())) == COLUMNS  # the fast motor came by once for each row
        assert 0 < transmission[()].min() < transmission[()].max() < 1
        assert (file.attrs["signal"], list(file.attrs["axes"])) == ("transmission", ["x"])


@pytest.fixture
def drift(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(EXAMPLES / "drift")
    yield __import__("camera")
    for name in ("camera", "make_map"):
        sys.modules.pop(name, None)


def drifted(plan: Plan, kills: Sequence[int] = ()) -> tuple[RunReport, dict[str, NDArray[Any]]]:
    """Run on processes; kill a worker, and then the other one, when so many images are done."""
    run, left, end_s = LocalRun(plan), list(kills), time.monotonic() + PATIENCE_S
    try:
        run.open()
        while run.step(0.005):
            assert time.monotonic() < end_s, f"it does not end: {run.report()}"
            done = len(run.views("look").get("frames", {}).get("shift", ()))
            pid = run.pids().get(f"align-{len(left) % 2}")
            if left and pid and done >= left[0]:
                os.kill(pid, signal.SIGKILL)
                left.pop(0)
    finally:
        report = run.finish(keep_views=True)
        found = {path: np.array(leaf.array) for path, leaf in walk(run.views("look"))}
        run.forget_views()
    assert not left
    return report, found


def test_a_worker_with_a_state_aligns_images_whoever_is_killed(tmp_path: Path, drift: Any) -> None:
    camera = drift.Camera()
    slower = {"n: 200": "n: 200, rate_Hz: 300"}
    runs = [
        drifted(planned("drift", tmp_path / "whole")),
        drifted(planned("drift", tmp_path / "hit", slower), (50, 120)),
    ]
    (_, whole), (report, hit) = runs
    assert (report.outcome, sum(process.deaths for process in report.processes)) == ("finished", 2)
    for found in (whole, hit):
        assert (found["frames/shift"] == camera.path()).all()
    assert (hit["sum/counts"] == whole["sum/counts"]).all()  # no image is lost or added twice
    changed, same = hit["frames/changed"], whole["frames/changed"]
    assert np.flatnonzero(np.isnan(same)).tolist() == [0]
    missing = np.isnan(changed)
    assert missing.sum() <= 1 + 2  # each death costs at most the difference to an image that only the dead one had
    assert (changed[~missing] == same[~missing]).all()
    lit = [frame for frame in range(1, camera.n) if camera.lit(frame) > camera.lit(frame - 1)]
    assert np.flatnonzero(same > 1000).tolist() == lit
    assert all(whole["largest/change"][y - 8, x - 8] > 1000 for y, x in camera.grains())


def test_the_map_of_the_example_is_what_its_script_writes(drift: Any) -> None:
    assert __import__("make_map").text(200) == (EXAMPLES / "drift/map.json").read_text()


def test_images_become_lists_of_pixels_and_images_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = outcome("sparse", tmp_path, {"tcp://127.0.0.1:5556": "stins"})
    monkeypatch.syspath_prepend(EXAMPLES / "sparse")
    images, simulator = __import__("images"), StinsSimulator(XrfScan(ROWS, COLUMNS))
    with h5py.File(report.outputs["views"]) as file:
        rows = file["entry/sparsify"]
        assert rows["frame"][()].tolist() == [*range(N)]
        for row in (0, 1, N - 1):
            image = simulator.image(row)
            assert (images.image(rows, row) == np.where(image > 2, image, 0)).all()
        kept = rows["index"].nbytes + rows["value"].nbytes
        assert file["entry/reduction/together"][()] == pytest.approx(N * image.nbytes / kept)
        assert file["entry/reduction/factor"][()].min() > 2
        assert file["entry/pixels/kept"][()].sum() == len(rows["index"])


def test_a_window_sets_parameters_and_looks_at_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "slices")
    slices = __import__("slices")
    words = ("run", "pipeline.yaml", "--quiet", "--held", "--stay", "--serve", "0")
    with ExitStack() as stack:
        camera = stack.enter_context(Simulated(Setup(instrument="stins", rows=ROWS, columns=COLUMNS)))
        planned("slices", tmp_path, {"tcp://127.0.0.1:5556": camera.address})
        process = stack.enter_context(started(*words, folder=tmp_path / "slices"))
        run = stack.enter_context(penstock.connect(process.line("views: ").split()[1]))
        looker = slices.Slices(run)
        fields = {each.label: each for each in looker.fields()}
        above = fields["above (counts)"]
        assert fields["cut beam"].value is False
        assert above.help == "smaller.above, pixels up to here are taken for 0, ≥ 0, ≤ 1000"
        assert looker.set(above.address, above.parsed("5000")).startswith("smaller.above: 5000 is refused")
        assert looker.set(above.address, above.parsed("3")).startswith("smaller.above is 3 from event")
        assert run.command("start").is_done
        process.line("the views stay ")  # it has ended
        assert looker.fields() == []
        assert looker.names() == ["stack/images", "stack/sum"]
        assert [looker.length("stack/images", axis) for axis in range(3)] == [N, 32, 32]
        image = StinsSimulator(XrfScan(ROWS, COLUMNS)).image(5)
        expected = np.where(image > 3, image, 0).reshape(32, 2, 32, 2).sum((1, 3))
        found = looker.slice("stack/images", 0, 5)
        assert (found.array == expected).all()
        assert (found.names, found.title) == (("y", "x"), "stack/images in counts, image 5")
        row = looker.slice("stack/images", 1, 16)
        assert (row.array[5] == expected[16]).all()
        assert row.names == ("image", "x")
        assert looker.slice("stack/sum").array.shape == (32, 32)
        look_by_silx(run.address, tmp_path / "window.png")


def look_by_silx(address: str, picture: Path) -> None:
    """Let the window itself look, where there is what it needs."""
    if importlib.util.find_spec("silx") is None or importlib.util.find_spec("PyQt6") is None:
        return
    done = subprocess.run(
        [sys.executable, "look.py", address, "--save", str(picture)],
        cwd=EXAMPLES / "slices",
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
