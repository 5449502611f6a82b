"""What is urgent: how long it waits on an idle system, and behind others, beside a bare pipe and one item's time.

``python -m bench.control`` is the other end of that pipe: it gives every byte back.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from bench.effort import Effort
from bench.row import Row
from penstock.elements.sink import RunFacts
from penstock.elements.sink import Sink as SinkOfItems
from penstock.engines import chains, local
from penstock.monitor.report import RunReport
from penstock.pipeline import Map, Pipeline, Sink, Source, Steps, Use
from penstock.pipeline.plan import Plan

__all__ = ["lane_rows"]

STEP_S = 0.002
EVERY_S = 0.013
"""Between two urgent items: no multiple of an item's time, so that they come at any moment of one."""
IDLE_EVERY_S = 0.005
SLACK_MS = 2.0
RECORDED = "recorded of rta-dp: 870 ms idle, 7 to 17 ms behind 2 ms items"

Timed = tuple[str, int, int, int]
"""Lane, and when it was given, begun and done, in ns."""


def urgent(n: int, every_s: float, folder: str) -> Iterator[Timed]:
    """Yield an item, and when that has come out, because everybody is there, others now and then."""
    yield "first", time.perf_counter_ns(), 0, 0
    while not Path(folder, "first").exists():
        time.sleep(0.001)
    for _ in range(n):
        time.sleep(every_s)
        yield "high", time.perf_counter_ns(), 0, 0
    Path(folder, "over").touch()


def backlog(folder: str, is_there: bool = True) -> Iterator[Timed]:
    """Yield items as fast as they are taken, until the urgent ones are over; or none."""
    while is_there and not Path(folder, "over").exists():
        yield "low", time.perf_counter_ns(), 0, 0


def rest(item: Any, folder: str) -> Timed:
    """Wait for 2 ms, until the urgent ones are over; of a message of the local engine, take the value."""
    lane, given, _, _ = item.metadata["value"] if hasattr(item, "metadata") else item
    begun = time.perf_counter_ns()
    if not Path(folder, "over").exists():
        time.sleep(STEP_S)
    return lane, given, begun, time.perf_counter_ns()


def give_back(item: Any, folder: str) -> Timed:  # noqa: ARG001 - as above
    """Do nothing."""
    lane, given, _, _ = item
    now = time.perf_counter_ns()
    return lane, given, now, now


class Noted(SinkOfItems):
    """Write down, at the end, when items came out; it may be in another process."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._came: list[tuple[Timed, int]] = []

    def open(self, run: RunFacts) -> None:
        """Open nothing."""

    def write(self, item: Timed) -> None:
        """Note it."""
        self._came.append((item, time.perf_counter_ns()))
        if item[0] == "first":
            (self._folder / "first").touch()

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - a sink's
        """Write it down."""
        (self._folder / "noted").write_text(json.dumps(self._came))


def lane_rows(effort: Effort) -> Iterator[Row]:
    """Yield the 99th percentile of what urgent items wait."""
    n = max(40, round(200 * effort.span_s))
    of = "a byte through a pipe to another process and back"
    for place in ("thread", "process"):
        runs = [(_bare_ms(n), *_idle_ms(place, n)) for _ in range(effort.runs)]
        bare, wait, whole = (median(each) for each in zip(*runs, strict=True))
        for what, found in (("until it is begun", wait), ("until its result is out", whole)):
            name = f"urgent, nothing else to do, {what}, {place}"
            yield Row(name=name, value=found, unit="ms", reference=bare, of=of, target=0.5, asks="at most")
    for place in ("thread", "process"):
        yield _behind_others(f"urgent, 2 ms items before it, {place}", effort, place, n)
    yield _behind_others("urgent, within a range of 2 ms events, local", effort, "map", n)


def _behind_others(name: str, effort: Effort, place: str, n: int) -> Row:
    found = [_waits_ms(place, n) for _ in range(effort.runs)]
    wait, service = (median(each) for each in zip(*found, strict=True))
    of = f"what one item takes; {RECORDED}"
    return Row(name=name, value=wait, unit="ms", reference=service, of=of, target=service + SLACK_MS, asks="at most")


def _idle_ms(place: str, n: int) -> tuple[float, float]:
    """Return how long an item takes from its source until it is begun, and to its sink, when there is no other."""
    came = _came(chains.run, give_back, Steps, {"run_in": place}, n, IDLE_EVERY_S, is_behind_others=False)
    urgent_ones = [(item, out) for item, out in came if item[0] == "high"]
    return _p99([item[2] - item[1] for item, _ in urgent_ones]), _p99([out - item[1] for item, out in urgent_ones])


def _waits_ms(place: str, n: int) -> tuple[float, float]:
    """Return how long urgent items wait until they are begun, and what one of the others takes."""
    if place == "map":
        came = _came(local.run, rest, Map, {}, n, EVERY_S)
    else:
        came = _came(chains.run, rest, Steps, {"run_in": place}, n, EVERY_S)
    waits = [item[2] - item[1] for item, _ in came if item[0] == "high"]
    took = [item[3] - item[2] for item, _ in came if item[0] == "low"]
    return _p99(waits), _p99([ns for ns in took if ns >= STEP_S * 1e9])


def _came(
    run: Callable[[Plan], RunReport], step: Any, kind: Any, options: dict[str, Any], n: int, every_s: float,
    *, is_behind_others: bool = True,
) -> list[tuple[Timed, int]]:  # fmt: skip
    """Return what came out, and when."""
    with TemporaryDirectory() as folder:
        pipeline = Pipeline(
            sources={
                "h": Source(urgent, n=n, every_s=every_s, folder=folder),
                "l": Source(backlog, folder=folder, is_there=is_behind_others),
            },
            stages={"s": kind(Use(step, folder=folder), source={"high": "h", "low": "l"}, **options)},
            sinks={"noted": Sink(Noted, source="s", folder=folder)},
        )
        report = run(pipeline.plan())
        assert report.outcome == "finished", report.reasons
        came: list[tuple[Timed, int]] = json.loads(Path(folder, "noted").read_text())
    assert sum(item[0] == "high" for item, _ in came) == n
    return came


def _p99(taken_ns: list[int]) -> float:
    return quantiles(taken_ns, n=100)[98] / 1e6


def _bare_ms(n: int) -> float:
    peer = subprocess.Popen(
        [sys.executable, "-m", "bench.control"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert peer.stdin is not None
    assert peer.stdout is not None
    took = []
    for _ in range(n + 1):
        since = time.perf_counter_ns()
        peer.stdin.write(b"x")
        peer.stdout.read(1)
        took.append(time.perf_counter_ns() - since)
        time.sleep(IDLE_EVERY_S)
    peer.stdin.close()
    peer.wait()
    return _p99(took[1:])  # the first waits for its start


def _be_bare() -> None:
    while byte := os.read(0, 1):
        os.write(1, byte)


if __name__ == "__main__":
    _be_bare()
