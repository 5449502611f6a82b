"""SNAP, measured by its harness in the same run, if it is there.

The harness lies outside of the repository, in ``../shared/peers`` or where PENSTOCK_PEERS says; PENSTOCK_SNAP_RUN names
the ``snap_run`` of an environment in which snap-base 2.0.3 is installed and snap-combine is not.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from bench.local_run import ROOT

__all__ = ["snap_per_s"]

FOLDER = Path(os.environ.get("PENSTOCK_PEERS", ROOT.parent / "shared/peers")) / "snap"
WAIT_S = 300


def snap_per_s(case: str, recorded: float) -> tuple[float, str]:
    """Return what SNAP reaches, in items/s, and where that is from.

    Parameters
    ----------
    case
        Of the harness.
    recorded
        What it reached elsewhere, for where it is not installed.
    """
    program = os.environ.get("PENSTOCK_SNAP_RUN", "")
    script = FOLDER / "run_bench.py"
    if not program or not script.exists():
        print("peer absent: set PENSTOCK_SNAP_RUN to a snap_run of snap-base 2.0.3", file=sys.stderr)
        return recorded, "recorded: SNAP 2.0.3 elsewhere"
    environ = {**os.environ, "SNAP_RUN": program, "CASES": case, "REPEAT": "3"}
    said = subprocess.run(
        [sys.executable, str(script)], env=environ, capture_output=True, text=True, timeout=WAIT_S, check=False
    ).stdout
    found = re.search(r" median=(\d+) ", said)
    if found is None:
        raise RuntimeError(f"SNAP's harness said nothing of {case}: {said[-300:]}")
    return float(found[1]), "SNAP 2.0.3, now"
