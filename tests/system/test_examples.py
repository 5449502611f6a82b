"""The examples as a newcomer runs them: checked, run, and their outputs looked at."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import h5py
import numpy as np
import pytest

from penstock.monitor.report import RunReport
from penstock.pipeline.check import check_file
from penstock.pipeline.pipeline import find_engine
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup

EXAMPLES = Path(__file__).parents[2] / "examples"

pytest.importorskip("matplotlib")


NONE: Mapping[str, str] = MappingProxyType({})
ENGINES = pytest.mark.parametrize("engine", ["inline", "local"])


def outcome(
    engine: str,
    example: str,
    file: str,
    folder: Path,
    *,
    environ: Mapping[str, str] = NONE,
    addresses: Mapping[str, str] = NONE,
) -> RunReport:
    # A copy, because outputs lie beside the pipeline unless they are told otherwise.
    shutil.copytree(EXAMPLES / example, folder / example, ignore=shutil.ignore_patterns("penstock-out"))
    pipeline = folder / example / file
    for written, address in addresses.items():
        text = pipeline.read_text()
        assert written in text
        pipeline.write_text(text.replace(written, address))
    checked = check_file(pipeline, environ)
    assert not checked.problems
    assert checked.plan is not None
    report: RunReport = find_engine(engine)(checked.plan, run_id="r1")
    return report


def contents(file: Path) -> dict[str, bytes]:
    """Return every byte of every view, and what is said of it."""
    found: dict[str, bytes] = {}

    def read(name: str, item: h5py.Group | h5py.Dataset) -> None:
        said = sorted((key, np.asarray(value).tolist()) for key, value in item.attrs.items() if key != "DIMENSION_LIST")
        data = item[()] if isinstance(item, h5py.Dataset) else b""
        found[name] = (data.tobytes() if isinstance(data, np.ndarray) else repr(data).encode()) + repr(said).encode()

    with h5py.File(file) as opened:
        opened.visititems(read)
    return found


@ENGINES
def test_the_first_pipeline(engine: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = outcome(engine, "first", "pipeline.yaml", tmp_path)
    assert (report.outcome, report.exit_code) == ("finished", 0)
    assert capfd.readouterr().out.splitlines()[-1] == "image 40"
    out = tmp_path / "first" / "penstock-out"
    assert sorted(path.name for path in out.iterdir()) == ["r1.h5", "r1.png"]
    with h5py.File(out / "r1.h5") as file:
        assert file["brightness"].shape == (40,)
        assert file["sum"][()].sum() == file["brightness"][()].sum() > 0


@ENGINES
def test_the_nanomax_map_from_files(engine: str, tmp_path: Path, recordings: Path) -> None:
    out = tmp_path / "out"
    report = outcome(
        engine,
        "nanomax",
        "from-files.yaml",
        tmp_path,
        environ={"RECORDINGS": str(recordings.absolute()), "OUT": str(out)},
    )
    assert (report.outcome, report.exit_code) == ("finished", 0)
    assert report.joins["scan"].formed == 20
    assert (out / "r1.png").read_bytes().startswith(b"\x89PNG")
    with h5py.File(out / "r1.h5") as file:
        assert file.attrs["outcome"] == "finished"
        assert file["map/counts"].shape == (5, 4, 4)
        assert file["total/counts"][()].tolist() == [5, 7, 3, 32]
        assert np.abs(file["map/measured_x"][()] - file["map/x"][()]).max() < 0.005
        assert np.abs(file["map/measured_y"][()] - file["map/y"][()][:, None]).max() < 0.005


def test_the_first_pipeline_gives_the_same_on_every_engine(tmp_path: Path) -> None:
    reports = [outcome(engine, "first", "pipeline.yaml", tmp_path / engine) for engine in ("inline", "local")]
    one, other = (contents(Path(report.outputs["file"])) for report in reports)
    assert one
    assert one == other
    assert [edge.accounts for edge in reports[0].edges] == [edge.accounts for edge in reports[1].edges]


def test_the_nanomax_map_is_the_same_on_every_engine(tmp_path: Path, recordings: Path) -> None:
    environ = {"RECORDINGS": str(recordings.absolute()), "OUT": "out"}
    reports = [outcome(e, "nanomax", "from-files.yaml", tmp_path / e, environ=environ) for e in ("inline", "local")]
    one, other = (contents(Path(report.outputs["file"])) for report in reports)
    assert one
    assert one == other


def test_the_rings_are_the_same_on_every_engine(tmp_path: Path) -> None:
    found = []
    for engine in ("inline", "local"):
        with (
            Simulated(Setup(instrument="stins", rows=21, columns=31)) as camera,
            Simulated(Setup(instrument="pandabox", rows=21, columns=31)) as panda,
        ):
            addresses = {"tcp://127.0.0.1:5556": camera.address, "tcp://127.0.0.1:8888": panda.address}
            report = outcome(engine, "rings", "pipeline.yaml", tmp_path / engine, addresses=addresses)
        assert (report.outcome, report.joins["point"].formed) == ("finished", 651)
        with h5py.File(report.outputs["file"]) as file:
            assert not np.isnan(file["map"][()]).any()
        found.append(contents(Path(report.outputs["file"])))
    one, other = found
    assert {"map", "pattern", "series", "brightest_px", "y", "x", "radius"} <= one.keys()
    assert one == other


def test_the_nanomax_map_checks_without_an_instrument() -> None:
    assert not check_file(EXAMPLES / "nanomax" / "pipeline.yaml", {}).problems
