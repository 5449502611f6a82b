"""Arrays and files as parameters: set over HTTP while a pipeline runs, seen in processes, and told again."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.client import connect
from penstock.errors import ParameterError
from tests.system.commands import Process
from tests.system.watching import PATIENCE_S

ROOT = Path(__file__).parents[2]
MODULE = "tests.system.corrected_code"
CHAIN = f"""
name: chain
sources: {{n: {{use: numbers, every_s: 0.005}}}}
stages:
  fix: {{from: n, steps: ["{MODULE}:Step"], run_in: process}}
sinks: {{out: {{use: json-lines, from: fix, path: "OUT"}}}}
"""
EVENTS = f"""
name: events
sources: {{n: {{use: "tests.system.controlled:Paced", rate: 200}}}}
events: {{scan: {{join: [n], by: key}}}}
stages:
  fix: {{from: scan, map: "{MODULE}:Worker"}}
sinks: {{out: {{use: json-lines, from: fix, path: "OUT"}}}}
"""


def heard(process: Process, out: Path, seen: list[Any]) -> None:
    """Wait until that is what user code sees."""
    end = time.monotonic() + PATIENCE_S
    while not out.exists() or json.dumps(seen, separators=(",", ":")) not in out.read_text():
        assert time.monotonic() < end, out.read_text()[-300:] if out.exists() else "nothing was written"
        assert process.process.poll() is None, process._lines
        time.sleep(0.05)


@pytest.mark.parametrize("text", [CHAIN, EVENTS], ids=["steps", "map"])
def test_arrays_and_files_are_set_while_it_runs(text: str, tmp_path: Path) -> None:
    out, geometry = tmp_path / "out.jsonl", tmp_path / "p.geom"
    geometry.write_text("rotated")
    (tmp_path / "p.yaml").write_text(text.replace("OUT", str(out)))
    environ = {"PYTHONPATH": str(ROOT)}
    process = Process("run", "p.yaml", "-q", "--serve", "0", folder=tmp_path, environ={**os.environ, **environ})
    try:
        address = "http://" + process.line("").partition("http://")[2].split()[0]
        with connect(address) as run:
            heard(process, out, [-1.0, -1, ""])
            run.parameters.set({"dark": np.full((2, 3), 0.5), "mask": [True, False], "geometry": geometry}, who="me")
            heard(process, out, [3.0, 1, "rotated"])
            assert run.parameters.dark == [[0.5] * 3] * 2
            assert run.parameters.geometry == str(geometry)
            assert "Correction:\n" in repr(run.parameters)
            for wrong, why in (
                ({"dark": [[1, -1]]}, r"-1.0 at \[0, 1\] is out of bounds.*≥ 0"),
                ({"mask": [1, 0]}, "no regular array of bool"),
                ({"geometry": "none.geom"}, "does not point to a file"),
            ):
                with pytest.raises(ParameterError, match=why):
                    run.parameters.set(wrong)
            stage, name = next(
                one["address"] for one in run.parameters.describe() if one["address"].endswith("dark")
            ).split(".", 1)
            reply = run.command("set", stage, values={name: [[1.5, 2.5, 3.5]] * 2})
            assert f"{name} = array of float64 (2, 3) from" in reply.text  # in a line, as one of a detector must be
            run.parameters.set({"dark": None})
            heard(process, out, [-1.0, 1, "rotated"])
    finally:
        process.close()
