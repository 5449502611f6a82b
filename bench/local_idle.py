"""What a pipeline costs while its instruments say nothing."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.effort import Effort
from bench.local_code import AddNumbers, number
from bench.local_run import RunError, run
from bench.local_sources import Silent
from bench.proc import cpu_s, wait_until_calm
from bench.row import Row
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source

__all__ = ["rows", "silent"]

STREAMS = ("left", "right")


def silent(notes: str, seconds: float) -> Pipeline:
    """Return a pipeline with two sources, two workers and a reducer that have nothing to do for so long."""
    return Pipeline(
        name="idle",
        sources={name: Source(Silent, notes=notes, seconds=seconds) for name in STREAMS},
        events={"pair": Join(*STREAMS, by="key")},
        stages={
            "work": Map(number, source="pair", workers=2),
            "sum": Reduce(AddNumbers, source="work", notes=notes),
        },
    )


def rows(effort: Effort) -> Iterator[Row]:
    """Measure the CPU time of all processes together."""
    span_s = 5.0 if effort.span_s >= 1 else 2.0
    outcome = run("bench.local_idle:silent", effort.engine, while_running=partial(_share, span_s), seconds=span_s + 3)
    yield Row(
        name=f"idle: everything started, nothing arrives for {span_s:g} s", value=100 * outcome.watched,
        unit="% of a core", reference=0, of="", target=1, asks="at most",
    )  # fmt: skip


def _share(span_s: float, pid: int, folder: Path) -> float:
    """Return the CPU seconds a second that a family of processes uses once all has started."""
    deadline = time.monotonic() + 30
    while not all((folder / f"{stream}.ready").exists() for stream in STREAMS):
        if time.monotonic() > deadline:
            raise RunError("the sources were not read within 30 s")
        time.sleep(0.02)
    everybody = wait_until_calm(pid, timeout_s=10, enough=1)
    before, begin = cpu_s(everybody), time.monotonic()
    time.sleep(span_s)
    return (cpu_s(everybody) - before) / (time.monotonic() - begin)
