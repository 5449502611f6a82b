"""How long it takes until the user's first line runs, and until a command has said how it is used."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.row import Row

__all__ = ["rows"]

PENSTOCK = str(Path(sys.executable).parent / "penstock")


def rows() -> Iterator[Row]:
    """Measure in turns, so that a busy moment of the machine hits all alike."""
    bare, face, names, own_help, run_help = _medians(
        [sys.executable, "-c", ""],
        [sys.executable, "-c", "import penstock"],
        [sys.executable, "-c", "from penstock import ArrayView, Event, Message, Unit"],
        [PENSTOCK, "--help"],
        [PENSTOCK, "run", "--help"],
    )
    for name, value, target in [
        ("import penstock", face, 0.15),
        ("import the names user code needs", names, 0.15),
        ("penstock --help", own_help, 0.2),
        ("penstock run --help", run_help, 0.25),
    ]:
        over = f"{name}, over bare python"
        yield Row(
            name=over, value=value - bare, unit="s", reference=bare, of="bare python", target=target, asks="at most"
        )


def _medians(*commands: Sequence[str], runs: int = 11) -> list[float]:
    took: list[list[float]] = [[] for _ in commands]
    for _ in range(runs + 1):
        for command, times in zip(commands, took, strict=True):
            begin = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - begin)
    return [statistics.median(times[1:]) for times in took]  # the first fills the page cache
