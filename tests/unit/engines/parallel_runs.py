"""Runs of chains whose stages have workers, looked at closely."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from penstock.engines.chains import ChainsRun, run
from penstock.monitor.report import RunReport
from penstock.pipeline import Pipeline

quick = pytest.mark.usefixtures("_quick")
"""With a warmed process that many runs share."""


def ran(pipeline: Pipeline, **options: Any) -> RunReport:
    report = run(pipeline.plan(), **options)
    assert report.adds_up
    assert all(edge.in_flight == 0 for edge in report.edges)
    assert all(process.pid == 0 for process in report.processes)
    return report


def accounts(report: RunReport, producer: str = "n", consumer: str = "s") -> Mapping[str, int]:
    return report.edge(producer, consumer).accounts


def step_until(chains: ChainsRun, is_so: Callable[[], bool]) -> None:
    while not is_so():
        assert chains.step(0.01)


def drained(chains: ChainsRun) -> RunReport:
    chains.drain()
    while chains.step():
        pass
    return chains.finish()
