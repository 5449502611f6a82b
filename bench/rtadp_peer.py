"""rta-dp, measured by its harness in the same run, if it is there.

The harness lies outside of the repository, in ``../shared/peers`` or where PENSTOCK_PEERS says. PENSTOCK_RTADP names a
clone of rta-dataprocessor at the commit 49353a4, PENSTOCK_RTADP_PYTHON a Python that has pyzmq and psutil.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from bench.local_run import ROOT

__all__ = ["rtadp_idle_percent", "rtadp_per_s"]

FOLDER = Path(os.environ.get("PENSTOCK_PEERS", ROOT.parent / "shared/peers")) / "rtadp"
COMMIT = "49353a4"
WAIT_S = 300
GRID = {"100 B": "4:5", "100 kB": "7:8"}
"""Of the harness's cases those with two processes."""


def rtadp_per_s(case: str, recorded: float) -> tuple[float, str]:
    """Return how many results a second rta-dp reaches with two processes, and where that is from.

    Parameters
    ----------
    case
        Of ``GRID``.
    recorded
        What it reached elsewhere, for where there is no clone.
    """
    return _measured("throughput", r"results/s min=\d+ median=(\d+) ", recorded, GRID=GRID[case])


def rtadp_idle_percent(recorded: float) -> tuple[float, str]:
    """Return the CPU time of rta-dp with two processes that wait, in % of a core, and where that is from."""
    return _measured("idle", r"; started min=\d+ median=(\d+) ", recorded, PROC="process")


def _measured(what: str, pattern: str, recorded: float, **environ: str) -> tuple[float, str]:
    clone, script = os.environ.get("PENSTOCK_RTADP", ""), FOLDER / "bench.py"
    if not clone or not script.exists():
        print(f"peer absent: set PENSTOCK_RTADP to a clone of rta-dataprocessor at {COMMIT}", file=sys.stderr)
        return recorded, f"recorded: rta-dp {COMMIT} elsewhere"
    python = os.environ.get("PENSTOCK_RTADP_PYTHON", sys.executable)
    environ = {**os.environ, "RTADP_WORKERS": str(Path(clone) / "workers"), "REPEAT": "3", **environ}
    done = subprocess.run(
        [python, str(script), what], env=environ, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    found = re.search(pattern, done.stdout)
    if found is None:
        raise RuntimeError(f"rta-dp's harness said nothing of {what}: {(done.stdout + done.stderr)[-300:]}")
    return float(found[1]), f"rta-dp {COMMIT}, now"
