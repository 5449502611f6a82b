"""The demo: the command as a newcomer types it, and the map it writes against what the made-up sample holds."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from penstock.simulators.xrf_scan import BIN_keV, LINES_keV, XrfScan

PENSTOCK = Path(sys.executable).parent / "penstock"


def _demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PENSTOCK, "demo", *arguments], check=False, capture_output=True, text=True, cwd=folder, timeout=50
    )


@pytest.mark.parametrize("pace", ["0", "400"])
def test_the_map_holds_the_counts_of_every_point(tmp_path: Path, pace: str) -> None:
    done = _demo(tmp_path, "--points", "6x7", "--rate", pace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "42 of 42" in done.stdout
    assert "≠" not in done.stdout
    (written,) = (tmp_path / "penstock-out").glob("*.h5")
    assert (tmp_path / "penstock-out" / f"{written.stem}.png").read_bytes()[:4] == b"\x89PNG"
    scan = XrfScan(6, 7)
    with h5py.File(written) as file:
        for element, line_keV in LINES_keV.items():
            first, last = (round((line_keV + side * 0.2) / BIN_keV) for side in (-1, 1))
            counts = [scan.spectrum(point)[first:last].sum() for point in range(42)]
            np.testing.assert_array_equal(file[f"map/{element}"][()], np.reshape(counts, (6, 7)))


@pytest.mark.parametrize("mesh", ["0x4", "4", "x", "4x-1", "four x five"])
def test_a_mesh_that_is_none_is_refused_with_an_example(tmp_path: Path, mesh: str) -> None:
    done = _demo(tmp_path, "--points", mesh)
    assert done.returncode == 2
    assert "41x51" in done.stderr
    assert not list(tmp_path.iterdir())
