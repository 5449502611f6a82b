"""What the tests of examples share: a copy, other addresses, simulated instruments at them, and a run to the end."""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from penstock.monitor.report import RunReport
from penstock.pipeline import Plan
from penstock.pipeline.check import check_file
from penstock.pipeline.pipeline import find_engine
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup

__all__ = ["COLUMNS", "EXAMPLES", "ROWS", "N", "finished", "outcome", "planned"]

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS, COLUMNS = 6, 7
N = ROWS * COLUMNS
NONE: Mapping[str, str] = MappingProxyType({})


def planned(
    example: str,
    folder: Path,
    changes: Mapping[str, str] = NONE,
    *,
    file: str = "pipeline.yaml",
    environ: Mapping[str, str] = NONE,
) -> Plan:
    """Copy an example, because its outputs lie beside it, and check it with other addresses."""
    shutil.copytree(EXAMPLES / example, folder / example, ignore=shutil.ignore_patterns("penstock-out", "__pycache__"))
    pipeline = folder / example / file
    for written, now in changes.items():
        text = pipeline.read_text()
        assert written in text
        pipeline.write_text(text.replace(written, now))
    checked = check_file(pipeline, environ)
    assert not checked.problems
    assert checked.plan is not None
    return checked.plan


def outcome(
    example: str,
    folder: Path,
    instruments: Mapping[str, str],
    *,
    changes: Mapping[str, str] = NONE,
    compression: str = "",
) -> RunReport:
    """Run an example to its end; ``instruments`` says which simulator takes which address of its pipeline."""
    with ExitStack() as stack:
        setups = {
            at: Setup(
                instrument=name,
                rows=ROWS,
                columns=COLUMNS,
                compression=compression if name in ("eiger", "dectris", "stins") else "",
            )
            for at, name in instruments.items()
        }
        simulated = {at: stack.enter_context(Simulated(setup)) for at, setup in setups.items()}
        plan = planned(example, folder, {**{at: each.address for at, each in simulated.items()}, **changes})
        return finished(plan)


def finished(plan: Plan) -> RunReport:
    """Run in one thread to an end that is good."""
    report: RunReport = find_engine("inline")(plan, run_id="r1")
    assert (report.outcome, report.exit_code, report.adds_up) == ("finished", 0, True)
    return report
