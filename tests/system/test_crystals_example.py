"""The example of serial crystallography as a newcomer runs it: raw hits alone, the same by every engine and program."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest

from penstock.core.codecs import decoded
from penstock.core.encoding import Encoding
from penstock.core.stream_address import StreamAddress
from penstock.errors import UnknownStreamError
from penstock.monitor.report import RunReport
from penstock.pipeline.check import check_file
from penstock.pipeline.pipeline import find_engine, find_starter
from penstock.pipeline.plan import Plan
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup
from penstock.simulators import XrfScan
from penstock.streams.opened import opened_store
from penstock.streams.store import Store
from tests.system.commands import started
from tests.system.recorded_runs import until
from tests.system.watching import PATIENCE_S, descendants

EXAMPLE = Path(__file__).parents[2] / "examples" / "crystals"
IMAGES = 40


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example, in which everything is done, as its page says."""
    there = tmp_path / "crystals"
    shutil.copytree(EXAMPLE, there, ignore=shutil.ignore_patterns("__pycache__", "penstock-out"))
    monkeypatch.chdir(there)
    return there


@pytest.fixture
def jet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(folder))
    yield __import__("jet")
    sys.modules.pop("jet")


def simulated(compression: str = "", rate_hz: float = 0.0) -> Simulated:
    setup = Setup(instrument="jet:Jet", rows=1, columns=IMAGES, compression=compression, rate_hz=rate_hz)
    return Simulated(setup)


def checked(file: str, environ: dict[str, str]) -> Plan:
    found = check_file(Path(file), environ)
    assert not [problem for problem in found.problems if problem.level == "error"]
    assert found.plan is not None
    return found.plan


def assert_well(report: RunReport) -> None:
    assert (report.outcome, report.exit_code) == ("finished", 0), report.reasons
    assert all(edge.adds_up and not edge.in_flight for edge in report.edges)


def programs(folder: Path) -> list[int]:
    """Return the peak finders that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"find_peaks.py" in words and b"-S" not in words and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


def pointed_at(address: str) -> None:
    file = Path("pipeline.yaml")
    text = file.read_text()
    assert "tcp://127.0.0.1:9999}" in text
    file.write_text(text.replace("tcp://127.0.0.1:9999}", f"{address}}}"))


def views_in(path: Path) -> dict[str, bytes]:
    with h5py.File(path) as file:
        return {name: file[name][()].tobytes() for name in ("images", "hits", "rate", "powder", "peaks")}


def test_the_raw_hits_are_kept_as_they_came_whatever_dies(jet: ModuleType, folder: Path) -> None:
    shutil.copy("eiger.geom", "refined.geom")
    with simulated("bslz4", rate_hz=40) as camera:
        pointed_at(camera.address)
        with find_starter("local")(checked("pipeline.yaml", {"OUT": "with-kills"}), run_id="r1") as run:
            until = time.monotonic() + PATIENCE_S
            while run.statistics().edge("find", "hits").arrived < 5 or len(found := programs(folder)) < 2:
                assert time.monotonic() < until
                time.sleep(0.02)
            for pid in found:
                os.kill(pid, signal.SIGKILL)
            run.set({"find.geometry": "refined.geom"})
            assert_well(run.wait(PATIENCE_S))
    assert not programs(folder)
    camera_scan = jet.Jet(XrfScan(1, IMAGES))
    hits = [number for number in range(IMAGES) if camera_scan.has_crystal(number)]
    assert 5 < len(hits) < IMAGES - 5
    with h5py.File("with-kills/r1-hits.nxs") as file:
        raw = file["entry/instrument/eiger"]
        assert raw["key"][()].tolist() == hits
        assert raw["data"].shape == (len(hits), 256, 256)
        for row, number in enumerate(hits):  # as the detector compressed them
            chunk = np.frombuffer(raw["data"].id.read_direct_chunk((row, 0, 0))[1], np.uint8)
            image = decoded(chunk, Encoding("bslz4", "<u4", (256, 256)))
            assert (image == camera_scan.image(number)).all()
        assert "refined.geom" in str(file["entry/penstock/parameters/revision_1/find.geometry"][()])
    views = views_in(Path("with-kills/r1.h5"))
    assert int.from_bytes(views["hits"], "little") == len(hits)

    shutil.copy(EXAMPLE / "pipeline.yaml", folder)
    with simulated() as camera:
        pointed_at(camera.address)
        _in_c(folder)
        assert_well(find_engine("inline")(checked("pipeline.yaml", {"OUT": "in-c"}), run_id="r1"))
    assert views_in(Path("in-c/r1.h5")) == views


def _in_c(folder: Path) -> None:
    """Have the peaks found by the program in C, if it can be had."""
    if shutil.which("cc") is None:
        return
    words = ["cc", "-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off", "-o", "find_peaks", "find_peaks.c", "-lm"]
    subprocess.run(words, check=True, cwd=folder)
    file = folder / "pipeline.yaml"
    text = file.read_text()
    assert '["{python}", find_peaks.py]' in text
    file.write_text(text.replace('["{python}", find_peaks.py]', "[./find_peaks]"))


def test_a_chain_of_three_services_of_which_one_is_killed(jet: ModuleType, folder: Path) -> None:
    with opened_store(str(folder / "store"), folder) as store, simulated(rate_hz=20) as camera:
        environ = {"SCAN": "7", "STORE": str(folder / "store"), "EIGER": camera.address, "OUT": str(folder)}

        def run(name: str) -> RunReport:
            plan = checked(f"chain-{name}.yaml", environ)
            report: RunReport = find_engine("inline")(plan, run_id=name)
            return report

        with ThreadPoolExecutor(1) as thread, started("run", "chain-find.yaml", folder=folder, environ=environ) as find:
            until(lambda: len(descendants(find.process.pid)) >= 5)  # before there is anything to read
            receiving = thread.submit(run, "receive")
            until(lambda: found_in(store) >= 5)
            find.process.kill()
            until(lambda: not programs(folder))
            assert_well(receiving.result(PATIENCE_S))
        before = found_in(store)
        assert before < IMAGES
        for name in ("find", "write"):
            assert_well(run(name))
        assert found_in(store) == IMAGES
    camera_scan = jet.Jet(XrfScan(1, IMAGES))
    with h5py.File(folder / "7-hits.nxs") as file:
        raw = file["entry/instrument/raw"]
        assert raw["key"][()].tolist() == [k for k in range(IMAGES) if camera_scan.has_crystal(k)]
        assert (raw["data"][-1] == camera_scan.image(raw["key"][-1])).all()


def found_in(store: Store) -> int:
    """Return of how many images the peaks are stored."""
    with suppress(UnknownStreamError):
        return store.info(StreamAddress("11001234", "peaks", "7")).count
    return 0
