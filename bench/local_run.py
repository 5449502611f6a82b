"""One run of a pipeline in a process of its own: timed by the reducer's notes, ended if it hangs.

``python -m bench.local_run module:function folder engine arguments`` is that process. It imports what pipelines are
made with, which user code does not; so neither costs the other anything.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

__all__ = ["Outcome", "RunError", "run"]

WARM_UP = 0.2
"""Of the results, which are not looked at for rates."""
ROOT = Path(__file__).parent.parent

Watch = Callable[[int, Path], Any]
"""Called with the process and the folder of the notes, while the pipeline runs."""


class RunError(Exception):
    """A pipeline did not do what its figures presuppose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is known of one run."""

    report: dict[str, Any]
    """As the engine returned it."""
    called_ns: int
    """UTC: when the run was asked for."""
    folded: dict[str, Any]
    """The reducer's notes; empty without a reducer."""
    watched: Any
    """What ``while_running`` returned."""

    def rate_per_s(self, *, in_bursts: bool = False) -> float:
        """Return results a second, without the warm-up.

        Parameters
        ----------
        in_bursts
            Whether results come many at a time. Then a line is laid through all notes: between two of them the rate
            would depend on where in a burst they are.
        """
        times: list[int] = self.folded["times"]
        counts: list[int] = self.folded["counts"]
        first = int(np.searchsorted(counts, WARM_UP * counts[-1])) if counts else 0
        if len(counts) - first < 2:
            raise RunError(f"{len(counts)} notes are too few for a rate; ask for more results")
        if in_bursts:
            seconds = (np.array(times[first:]) - times[first]) / 1e9
            return float(np.polyfit(seconds, counts[first:], 1)[0])
        return (counts[-1] - counts[first]) / (times[-1] - times[first]) * 1e9

    @property
    def delays_s(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
        """(results,), how long results were under way."""
        return np.array(self.folded["delays"], np.float64) / 1e9

    @property
    def processes(self) -> list[dict[str, Any]]:
        """What the engine says of its processes; empty if it says nothing, or has none."""
        found: list[dict[str, Any]] = self.report.get("processes") or []
        return found

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU time by role."""
        spent: dict[str, float] = {}
        for process in self.processes:
            spent[process["role"]] = spent.get(process["role"], 0.0) + process["cpu_s"]
        return spent


def run(
    pipeline: str,
    engine: str,
    *,
    expected: int | None = None,
    expected_sum: int | None = None,
    outcome: str = "finished",
    timeout_s: float = 60.0,
    while_running: Watch | None = None,
    **arguments: Any,
) -> Outcome:
    """Run a pipeline to its end, and make sure that it has done everything.

    Parameters
    ----------
    pipeline
        ``module:function`` that makes it, of a folder for notes and ``arguments``.
    engine
        Its name.
    expected
        Results the reducer must have folded; ``None`` for any number.
    expected_sum
        What they must add up to.
    outcome
        How it must end: ``incomplete`` where messages miss that others wait for.
    timeout_s
        After which it is killed, with everything it has started.
    while_running
        Called here meanwhile.

    Raises
    ------
    RunError
        If it hangs, fails, or has folded anything else.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "bench.local_run", pipeline, name, engine, json.dumps(arguments)]
        with (folder / "printed").open("w+") as printed:
            process = subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=printed, start_new_session=True)
            try:
                watched = None if while_running is None else while_running(process.pid, folder)
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                raise RunError(f"{pipeline} was not done after {timeout_s:g} s{_last_words(folder)}") from None
            finally:
                _end(process)
        found = _outcome(folder, pipeline, watched)
    if found.report["outcome"] != outcome:
        reasons = "; ".join(found.report["reasons"])
        raise RunError(f"{pipeline} ended {found.report['outcome']}, not {outcome}: {reasons}")
    _check(found.folded, pipeline, expected, expected_sum)
    return found


def _outcome(folder: Path, pipeline: str, watched: Any) -> Outcome:
    try:
        said = json.loads((folder / "report.json").read_text())
    except FileNotFoundError:
        raise RunError(f"{pipeline} ended without a report{_last_words(folder)}") from None
    notes = folder / "folded.json"
    folded = json.loads(notes.read_text()) if notes.exists() else {}
    return Outcome(report=said["report"], called_ns=said["called_ns"], folded=folded, watched=watched)


def _check(folded: dict[str, Any], pipeline: str, expected: int | None, expected_sum: int | None) -> None:
    if expected is not None and folded.get("count") != expected:
        raise RunError(f"{pipeline} folded {folded.get('count')} results of {expected}")
    if expected_sum is not None and folded["sum"] != expected_sum:
        raise RunError(f"{pipeline} added up to {folded['sum']} instead of {expected_sum}: bytes went wrong")


def _last_words(folder: Path) -> str:
    lines = (folder / "printed").read_text(errors="replace").strip().splitlines()
    return ": " + " | ".join(lines[-3:]) if lines else ", and has printed nothing"


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:  # else its group may be somebody else's by now
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
    """Run what the command line says; leave the report in the folder."""
    reference, folder, engine, arguments = sys.argv[1:]
    module, _, name = reference.partition(":")
    pipeline = getattr(import_module(module), name)(folder, **json.loads(arguments))
    called_ns = time.time_ns()
    report = pipeline.run(engine)
    said = msgspec.json.encode({"called_ns": called_ns, "report": report})
    (Path(folder) / "report.json").write_bytes(said)


if __name__ == "__main__":
    main()
