"""How long it takes from asking for a run to its first result, and how much memory a worker has of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator

from bench.effort import Effort
from bench.local_code import AddDicts, AddRanges, SumRows
from bench.local_memory import OwnMemory
from bench.local_run import run
from bench.local_sources import ROWS, Rows, Triggers
from bench.row import Row, in_turns
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source

__all__ = ["memory", "memory_rows", "short", "start_rows"]

MB = 1e6


def short(notes: str) -> Pipeline:
    """Return a pipeline that is over as soon as it has begun; its pools have some MB."""
    return Pipeline(
        name="start",
        sources={name: Source(Rows, n=ROWS) for name in ("left", "right")},
        events={"pair": Join("left", "right", by="key")},
        stages={
            "work": Map(SumRows, source="pair", workers=2),
            "sum": Reduce(AddRanges, source="work", notes=notes),
        },
    )


def memory(notes: str) -> Pipeline:
    """Return a pipeline whose worker says how much memory it had before anything of the user's was imported."""
    return Pipeline(
        name="memory",
        sources={"clock": Source(Triggers, n=4)},
        stages={
            "look": Map(OwnMemory, source="clock"),
            "sum": Reduce(AddDicts, source="look", notes=notes, entry="private_bytes"),
        },
    )


def start_rows(effort: Effort) -> Iterator[Row]:
    """Measure from the call of ``run`` to the first fold."""

    def first_fold_s() -> float:
        outcome = run("bench.local_start:short", effort.engine, expected=ROWS)
        return float(outcome.folded["first_ns"] - outcome.called_ns) / 1e9

    bare, found = in_turns(effort.runs, _bare_s, first_fold_s)
    yield Row(
        name="start: from run() to the first result", value=found, unit="s",
        reference=bare, of="python that imports numpy and msgspec", target=1, asks="at most",
    )  # fmt: skip


def memory_rows(effort: Effort) -> Iterator[Row]:
    """Measure the memory only the worker has, pools not counted, before the user's imports."""

    def private_bytes() -> float:
        outcome = run("bench.local_start:memory", effort.engine, expected=4)
        return float(outcome.folded["sum"]) / 4

    bare, found = in_turns(effort.runs, _bare_bytes, private_bytes)
    yield Row(
        name="memory: private to a worker before the user's imports", value=found / MB, unit="MB",
        reference=bare / MB, of="python that imports numpy and msgspec", target=60, asks="at most",
    )  # fmt: skip


def _bare_s() -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numpy, msgspec"], check=True)
    return time.perf_counter() - begin


def _bare_bytes() -> float:
    code = "import numpy, msgspec; from bench.proc import own_private_bytes; print(own_private_bytes())"
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
