"""The demo: the command as a newcomer types it, on a terminal too, and the map it writes against the made-up sample."""

import os
import pty
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from penstock.client import connect
from penstock.simulators.stins import StinsSimulator
from penstock.simulators.xrf_scan import LINES_keV, XrfScan
from tests.system.commands import COMMAND, Process, Said

SCAN = XrfScan(6, 7)


def demo(folder: Path, *arguments: str) -> Said:
    process = Process("demo", "--serve", "0", *arguments, folder=folder)
    try:
        return process.end()
    finally:
        process.close()


def maps(folder: Path) -> Path:
    (written,) = (folder / "penstock-out").glob("*.h5")
    return written


@pytest.mark.parametrize("pace", ["0", "100"])
def test_the_maps_hold_what_the_sample_holds(tmp_path: Path, pace: str) -> None:
    done = demo(tmp_path, "--points", "6x7", "--rate", pace)
    assert done.code == 0, done.text
    assert "finished, 42 of 42 events" in done.out
    assert "≠" not in done.out
    written = maps(tmp_path)
    assert written.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    with h5py.File(written) as file:
        for element in LINES_keV:
            expected = np.reshape([SCAN.amounts(point)[element] for point in range(42)], (6, 7))
            found = file[f"map/{element}"][()]
            assert (np.abs(found - expected) < 6 * np.sqrt(expected + 20)).all()
        camera = StinsSimulator(SCAN)
        assert np.array_equal(file["camera"][()], sum(camera.image(point).astype("u8") for point in range(42)))


def test_the_same_points_give_the_same_counts_with_any_number_of_workers(tmp_path: Path) -> None:
    found = []
    for workers in ("1", "3"):
        folder = tmp_path / workers
        folder.mkdir()
        assert demo(folder, "--points", "5x5", "--rate", "0", "--workers", workers).code == 0
        with h5py.File(maps(folder)) as file:
            found.append([file[name][()] for name in ("map/Fe", "map/Ni", "camera")])
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


def test_what_goes_wrong_on_purpose_is_in_the_ledger(tmp_path: Path) -> None:
    done = demo(tmp_path, "--points", "20x20", "--rate", "0", "--faults", "lost=0.02,doubled=0.02,corrupt=0.01")
    assert done.code == 3, done.text
    assert "≠" not in done.out
    assert "events lack a part" in done.out
    for name in ("xspress3", "stins"):
        (said,) = re.findall(rf"{name}: went wrong on purpose: (.*)", done.out)
        wrong = {what: int(count) for count, what in re.findall(r"(\d+) (\w+)", said)}
        row = re.search(rf"instrument +{name} +(\d+)", done.out)
        assert row is not None
        assert int(row[1]) == 402 - wrong["lost"] + wrong["doubled"]


def test_on_a_terminal_the_views_stay_until_ctrl_c(tmp_path: Path) -> None:
    terminal, its = pty.openpty()
    words = [*COMMAND, "demo", "--points", "6x7", "--rate", "100", "--serve", "0"]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    ends: dict[str, Any] = {"stdin": its, "stdout": its, "stderr": its}
    child = subprocess.Popen(words, **ends, env=environ, cwd=tmp_path, start_new_session=True)
    os.close(its)
    said = b""
    try:
        while b"until Ctrl-C" not in said:
            said += os.read(terminal, 65536)
        assert b"stins \xe2\x86\x92 point" in said, "the edges are shown while it runs"
        (address,) = set(re.findall(rb"views: (http://[\d.:]+)", said))
        with connect(address.decode()) as seen:
            assert list(seen) == ["image/map/Fe", "image/map/Ni", "image/camera"]
            assert np.isfinite(seen["image/map/Fe"][...]).all()
            assert seen.ledger.outcome == "finished"
        child.send_signal(signal.SIGINT)
        while child.poll() is None:
            with suppress(OSError):
                os.read(terminal, 65536)
        assert child.returncode == 0
    finally:
        os.close(terminal)
        child.kill()
        child.wait()


def test_ctrl_c_in_the_middle_brings_out_what_has_arrived(tmp_path: Path) -> None:
    process = Process("demo", "--points", "41x51", "--rate", "50", "--serve", "0", folder=tmp_path)
    try:
        address = process.line("views: ").removeprefix("views: ").strip()
        with connect(address) as seen:
            while not seen.status["joins"].get("point", {}).get("formed", 0) > 20:
                pass
        process.process.send_signal(signal.SIGINT)
        done = process.end()
    finally:
        process.close()
    assert done.code == 130, done.text
    assert "≠" not in done.out
    with h5py.File(maps(tmp_path)) as file:
        assert np.isfinite(file["map/Fe"][()]).sum() > 20


@pytest.mark.parametrize("mesh", ["0x4", "4", "x", "4x-1", "four x five"])
def test_a_mesh_that_is_none_is_refused_with_an_example(tmp_path: Path, mesh: str) -> None:
    done = demo(tmp_path, "--points", mesh)
    assert done.code == 2
    assert "41x51" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--faults", "lost=2"), "lost"),
        (("--faults", "stolen=0.1"), "stolen"),
        (("--serve", "somewhere:nowhere"), "is no address"),
    ],
)
def test_other_mistakes_are_said_before_anything_starts(tmp_path: Path, words: tuple[str, str], said: str) -> None:
    done = demo(tmp_path, *words)
    assert done.code == 2
    assert said in done.err
    assert not list(tmp_path.iterdir())
