"""What it costs to be watched: journal, history, notices, and Prometheus asking each second; and what idling costs.

The same work is done in turns watched and not watched. Compared is the CPU time of all processes, since that of others
on the machine does not count in it; the supervisor's own looking is timed directly, too.
"""

import os
import resource
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import penstock
from bench.effort import Effort
from bench.local_events import calls
from bench.proc import cpu_s, family
from bench.row import Row
from penstock.monitor.report import RunReport
from penstock.pipeline import Pipeline, Source, Steps
from penstock.services.watching import Watching
from penstock.services.web_service import WebService

__all__ = ["busy_rows", "idle_rows"]

CHAIN_PER_S = 900_000
EVENTS_PER_S = 300_000
NOTICE_EVERY = 50_000
"""Items between two notices."""
MOST_PERCENT = 2.0


def numbers(n: int) -> Iterator[int]:
    """Yield ``n`` numbers."""
    yield from range(n)


def silence(seconds: float) -> Iterator[int]:
    """Yield one number after so many seconds."""
    time.sleep(seconds)
    yield 0


def plus(item: int) -> int:
    """Add one, and say so now and then."""
    if item % NOTICE_EVERY == 0:
        penstock.notice("so far", item=item)
    return item + 1


def forget(item: int) -> None:
    """Let nothing through."""


def busy_rows(effort: Effort) -> Iterator[Row]:
    """Measure a fused chain, and two streams joined for two workers and a reducer."""
    with tempfile.TemporaryDirectory() as folder:
        logs = {"folder": f"{folder}/logs", "level": "log"}

        def chain() -> Pipeline:
            n = round(_span_s(effort) * CHAIN_PER_S)
            stages = {"s": Steps(plus, plus, plus, forget, source="n")}
            return Pipeline(name="chain", sources={"n": Source(numbers, n=n)}, stages=stages, logs=logs)

        def local() -> Pipeline:
            return calls(notes=folder, n=round(_span_s(effort) * EVENTS_PER_S))

        yield from _rows("chain, fused", chain, "chains", effort)
        yield from _rows("two streams joined, 2 workers", local, "local", effort)


def _span_s(effort: Effort) -> float:
    """Return how long a run works: what is done once a second should be done often enough to be seen."""
    return max(effort.span_s, 1.0) * 2


def _rows(name: str, make: Callable[[], Pipeline], engine: str, effort: Effort) -> Iterator[Row]:
    _run(make(), engine)  # what is imported once
    off, on, asked, looking = [], [], [], []
    for _ in range(effort.runs + 2):
        with _unwatched():
            off.append(_run(make(), engine))
        with _timed() as spent:
            on.append(_run(make(), engine))
        looking.append(100 * spent[0] / on[-1])
        with _asked_each_second() as web:
            asked.append(_run(make(), engine, web=web))
    # Of some runs the least, as others on the machine only ever add.
    reference = min(off)
    for what, found in (("watched", on), ("watched, and asked for /metrics each second", asked)):
        percent = 100 * (min(found) / reference - 1)
        yield Row(
            name=f"{name}: CPU time more, {what}", value=percent, unit="%", reference=0, of="", target=MOST_PERCENT,
            asks="at most",
        )  # fmt: skip
    spread = 100 * (max(off) - min(off)) / reference
    yield Row(name=f"{name}: runs that are not watched differ by", value=spread, unit="%", reference=0, of="")
    yield Row(
        name=f"{name}: the supervisor looks, of all CPU time", value=statistics.median(looking), unit="%", reference=0,
        of="", target=MOST_PERCENT, asks="at most",
    )  # fmt: skip


def idle_rows(effort: Effort) -> Iterator[Row]:
    """Measure the CPU time of all processes of a pipeline that waits, watched and journaled."""
    span_s = 10.0 if effort.span_s >= 1 else 2.0
    for name, where in (("chain in one process", {}), ("chain with 2 workers", {"workers": 2, "run_in": "process"})):
        options: dict[str, Any] = dict(where)
        with tempfile.TemporaryDirectory() as folder:
            pipeline = Pipeline(
                name="idle",
                sources={"n": Source(silence, seconds=span_s + 6)},
                stages={"s": Steps(plus, forget, source="n", **options)},
                logs={"folder": folder},
            )
            with pipeline.start("chains") as run:
                time.sleep(5)  # until everybody is warm
                everybody = family(os.getpid())
                before, begin = cpu_s(everybody), time.monotonic()
                time.sleep(span_s)
                share = (cpu_s(everybody) - before) / (time.monotonic() - begin)
                run.abort()
        yield Row(
            name=f"idle: {name}, nothing arrives for {span_s:g} s", value=100 * share, unit="% of a core", reference=0,
            of="", target=1, asks="at most",
        )  # fmt: skip


def _run(pipeline: Pipeline, engine: str, **options: Any) -> float:
    """Run it, and return the CPU seconds of this process and of all that it has started."""
    before = _cpu_s()
    report: RunReport = pipeline.run(engine, **options)
    if report.outcome != "finished" or not report.adds_up:
        raise RuntimeError(f"{report.outcome}: {report.reasons}")
    return _cpu_s() - before


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


@contextmanager
def _unwatched() -> Iterator[None]:
    """Let runs be looked at by nobody."""
    with ExitStack() as stack:
        _replace(stack, "is_due", property(lambda _: False))
        _replace(stack, "fill", lambda _, report: report)
        _replace(stack, "look", lambda _: None)
        yield


@contextmanager
def _timed() -> Iterator[list[float]]:
    """Give the CPU seconds spent in looking; those of the report itself are in it where nobody else had wanted it."""
    spent = [0.0]

    def timed(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            begin = time.thread_time()
            try:
                return method(*arguments)
            finally:
                spent[0] += time.thread_time() - begin

        return call

    with ExitStack() as stack:
        for name in ("fill", "look", "hear"):
            _replace(stack, name, timed(getattr(Watching, name)))
        yield spent


def _replace(stack: ExitStack, name: str, other: Any) -> None:
    stack.callback(setattr, Watching, name, Watching.__dict__[name])
    setattr(Watching, name, other)


@contextmanager
def _asked_each_second() -> Iterator[WebService]:
    """Give an address that is asked for metrics each second."""
    is_over = threading.Event()
    with WebService(port=0) as web:

        def ask() -> None:
            while not is_over.wait(1):
                try:
                    urllib.request.urlopen(f"{web.address}/metrics", timeout=5).read()
                except OSError:  # the run has just ended, or not begun
                    continue

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield web
        finally:
            is_over.set()
            asking.join()
