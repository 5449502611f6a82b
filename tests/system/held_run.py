"""A run of chains that signals reach while it starts, is held or is drained; it says what it is at."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from penstock.engines.chains import ChainsRun
from penstock.engines.to_the_end import run_to_the_end
from penstock.monitor.report import RunReport
from penstock.pipeline import Pipeline, Source, Steps, Use
from penstock.services.interrupt import Interrupt


def count() -> Iterator[int]:
    """Give numbers, as fast as they are taken."""
    number = 0
    while True:
        yield number
        number += 1


class Slow:
    """Be made, or work, only once a file is there."""

    def __init__(self, making: str, working: str) -> None:
        self.making, self.working = making, working
        say("making")
        wait_for(making)

    def __call__(self, item: int) -> int:
        wait_for(self.working)
        return item


def wait_for(path: str) -> None:
    while path and not Path(path).exists():
        time.sleep(0.005)


def double(item: int) -> int:
    return 2 * item


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(folder: str, what: str) -> int:
    """Run until somebody ends it."""
    making, working = (f"{folder}/{name}" if name == what else "" for name in ("starting", "draining"))
    pipeline = Pipeline(
        sources={"n": Source(count)},
        stages={
            "slow": Steps(Use(Slow, making=making, working=working), source="n"),
            "fit": Steps(double, source="slow", workers=2, run_in="process"),
            "last": Steps("count", source="fit"),
        },
    )
    chains = ChainsRun(pipeline.plan(), is_held=what == "held")
    told: set[str] = set()

    def progress(report: RunReport) -> None:
        states = {each.name: each.state for each in report.states}
        is_there = all(states[each] != "initialised" for each in states)
        now = "draining" if states["n"] in ("finishing", "stopped") else "running"
        if is_there and now not in told:
            told.add(now)
            say(f"{now} {' '.join(str(each.pid) for each in report.processes)}")

    with Interrupt("heard\n") as interrupt:
        report = run_to_the_end(chains, progress, interrupt)
    say(json.dumps(msgspec.to_builtins(report)))
    return report.exit_code
