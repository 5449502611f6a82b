"""The examples that show one shape of analysis each, as they are run, on instruments that do not exist."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

import h5py

from penstock.monitor.report import RunReport
from penstock.pipeline import Plan
from penstock.pipeline.check import check_file
from penstock.pipeline.pipeline import find_engine
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS, COLUMNS = 6, 7
N = ROWS * COLUMNS


def planned(example: str, folder: Path, addresses: Mapping[str, str] = MappingProxyType({})) -> Plan:
    """Copy an example, because its outputs lie beside it, and check it with other addresses."""
    shutil.copytree(EXAMPLES / example, folder / example, ignore=shutil.ignore_patterns("penstock-out", "__pycache__"))
    pipeline = folder / example / "pipeline.yaml"
    for written, address in addresses.items():
        text = pipeline.read_text()
        assert written in text
        pipeline.write_text(text.replace(written, address))
    checked = check_file(pipeline, {})
    assert not checked.problems
    assert checked.plan is not None
    return checked.plan


def outcome(example: str, folder: Path, instruments: Mapping[str, str], engine: str = "inline") -> RunReport:
    """Run an example to its end; ``instruments`` says which simulator takes which address of its pipeline."""
    with ExitStack() as stack:
        setups = {at: Setup(instrument=name, rows=ROWS, columns=COLUMNS) for at, name in instruments.items()}
        simulated = {at: stack.enter_context(Simulated(setup)) for at, setup in setups.items()}
        plan = planned(example, folder, {at: each.address for at, each in simulated.items()})
        report: RunReport = find_engine(engine)(plan, run_id="r1")
    assert (report.outcome, report.exit_code, report.adds_up) == ("finished", 0, True)
    return report


def test_a_curve_is_sorted_by_the_motors_position(tmp_path: Path) -> None:
    report = outcome("sorted", tmp_path, {"tcp://127.0.0.1:5556": "albaem", "tcp://127.0.0.1:8888": "pandabox"})
    with h5py.File(report.outputs["file"]) as file:
        x, transmission = file["x"][()], file["transmission"]
        assert x.shape == transmission.shape == (N,)
        assert x.tolist() == sorted(x)
        assert len(set(x.tolist())) == COLUMNS  # the fast motor came by once for each row
        assert 0 < transmission[()].min() < transmission[()].max() < 1
        assert (file.attrs["signal"], list(file.attrs["axes"])) == ("transmission", ["x"])
