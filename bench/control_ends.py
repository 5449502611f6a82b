"""What a pipeline that waits costs, and how long one takes to end: by Ctrl-C and by a command, idle and under load."""

import time
from collections.abc import Iterator
from statistics import median

from bench.echo_rig import WORKERS, running
from bench.effort import Effort
from bench.proc import cpu_s, wait_until_calm
from bench.row import Row
from bench.rtadp_peer import rtadp_idle_percent

__all__ = ["idle_rows", "shutdown_rows"]

NBYTES = 100
FEW = 1000
"""Items that have gone through before it idles: a pipeline that has just worked."""
BEGIN_S = 0.5
"""Under load before the end is asked for."""
LONGEST_S = 1.0


def idle_rows(effort: Effort) -> Iterator[Row]:
    """Measure the CPU time of all its processes together while nothing comes."""
    span_s = 5.0 if effort.span_s >= 1 else 2.0
    with running(NBYTES, FEW) as echo:
        echo.sender.tell("begin")
        assert echo.receiver.heard()["came"] == FEW
        everybody = wait_until_calm(echo.pid, timeout_s=10, enough=1 + WORKERS)
        before, begin = cpu_s(everybody), time.monotonic()
        time.sleep(span_s)
        percent = 100 * (cpu_s(everybody) - before) / (time.monotonic() - begin)
        echo.end_s()
        echo.report()
    rtadp, of = rtadp_idle_percent(100.0)
    yield Row(
        name=f"idle: ZeroMQ, 2 processes, ZeroMQ, nothing comes for {span_s:g} s", value=percent, unit="% of a core",
        reference=rtadp, of=of, target=1, asks="at most",
    )  # fmt: skip


def shutdown_rows(effort: Effort) -> Iterator[Row]:
    """Measure from when the end is asked for until the process has ended."""
    for by, said in (("SIGINT", "Ctrl-C"), ("shutdown", "penstock ctl shutdown")):
        for is_loaded in (False, True):
            took_s = [_end_s(by, is_loaded=is_loaded) for _ in range(effort.runs)]
            when = "while items come as fast as they are taken" if is_loaded else "while nothing comes"
            yield Row(
                name=f"shutdown by {said} {when}", value=median(took_s), unit="s", reference=max(took_s),
                of=f"the longest of {effort.runs}", target=LONGEST_S, asks="at most",
            )  # fmt: skip


def _end_s(by: str, *, is_loaded: bool) -> float:
    with running(NBYTES, 0) as echo:
        echo.wait_until_there()
        if is_loaded:
            echo.sender.tell("begin")
        time.sleep(BEGIN_S)
        took_s = echo.end_s(by)
        report = echo.report()
    back = next(edge for edge in report["edges"] if edge["consumer"] == "back")
    assert back["arrived"] == sum(back["accounts"].values()), "what came in is in the books, with nothing under way"
    assert bool(back["arrived"]) == is_loaded, "there was a load, or none"
    return took_s
