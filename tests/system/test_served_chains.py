"""A run of chains is seen and controlled from outside like any other."""

import json
import signal
from pathlib import Path

import httpx
import pytest

from penstock.client import connect
from penstock.errors import ParameterError, PenstockError, SelectionError, ServiceError, StateError
from penstock.pipeline import Pipeline, Source, Steps, Use
from penstock.services.web_service import WebService
from tests.system import ticking
from tests.system.commands import Process
from tests.system.test_web import until

ROOT = Path(__file__).parents[2]
FILE = """\
name: ticking
sources: {ticks: {use: "tests.system.ticking:ticks"}}
stages:
  pair: {from: ticks, steps: ["tests.system.ticking:scaled", "tests.system.ticking:pairs"], run_in: thread}
serve: {http: 0}
"""


def test_a_run_of_chains_has_a_handle_and_is_seen(nothing_left_open: None) -> None:
    pipeline = Pipeline(
        name="ticking",
        sources={"ticks": Source(ticking.ticks)},
        stages={"high": Steps(ticking.scaled, Use("threshold", field="value", above=-1), source="ticks")},
    )
    with WebService(port=0) as web, pipeline.start("chains", web=web) as run, connect(web.address) as seen:
        until(lambda: seen.ledger.edges and seen.ledger.edges[-1]["arrived"] > 10)
        status = seen.status
        assert [(step["stage"], step["step"]) for step in status["steps"]] == [
            ("high", "scaled"), ("high", "threshold"),
        ]  # fmt: skip
        assert status["steps"][0]["arrived"] > 0
        assert seen.ledger.adds_up
        assert run.set(above=1000).values == {"high.threshold.above": 1000}
        assert seen.parameters.above == 1000
        seen.parameters.above = 45
        until(lambda: run.statistics().steps[1].filtered > 10)
        with pytest.raises(ParameterError, match="above"):
            run.set(above="much")
        with pytest.raises(SelectionError, match="stage high has no workers"):
            seen.scale("high", 2)
        with pytest.raises(ServiceError, match="no source or stage is called 'low'"):
            seen.scale("low", 2)
        with pytest.raises(PenstockError, match="no source or stage is called 'low'"):
            run.scale("low", 2)
        with pytest.raises(KeyError, match="no reduce stage"):
            run.views("high")
        graph = httpx.get(f"{web.address}/api/v1/graph")
        assert graph.status_code == 200
        assert "threshold" in graph.text
        assert httpx.get(f"{web.address}/").status_code == 200
        seen.stop("enough")
        report = run.wait(20)
        assert (report.outcome, report.reasons) == ("aborted", ["enough"])
        assert report.adds_up
        until(lambda: seen.ledger.outcome == "aborted")
        with pytest.raises(StateError):
            run.set(above=1)


def test_a_handle_ends_a_run_of_chains_at_once(nothing_left_open: None) -> None:
    pipeline = Pipeline(
        sources={"ticks": Source(ticking.ticks, every_s=0.0)}, stages={"scale": Steps(ticking.scaled, source="ticks")}
    )
    run = pipeline.start("chains")
    until(lambda: run.statistics().steps[0].arrived > 0)
    run.abort("now")
    report = run.wait(20)
    assert report.outcome == "aborted"
    assert report.reasons[0] == "now"
    assert report.adds_up
    with pytest.raises(ZeroDivisionError), pipeline.start("chains") as run:
        raise ZeroDivisionError
    assert run.wait(20).reasons[0] == "its block was left with ZeroDivisionError"


def test_a_file_of_chains_is_served_and_watched_by_the_command(tmp_path: Path) -> None:
    file = tmp_path / "ticking.yaml"
    file.write_text(FILE)
    process = Process("run", str(file), "--report", str(tmp_path / "report.json"), folder=ROOT)
    try:
        address = process.line("views: ").removeprefix("views: ").strip()
        with connect(address) as seen:
            until(lambda: seen.ledger.edges and seen.ledger.edges[-1]["arrived"] > 10)
        top = Process("top", address, "--once", folder=ROOT)
        try:
            shown = top.end()
        finally:
            top.close()
        assert shown.code == 0, shown.text
        for text in ("ticks → pair", "of 1,000", "pair.scaled", "pair.pairs", "in/s", "filtered", "µs"):
            assert text in shown.out, (text, shown.out)
        process.process.send_signal(signal.SIGINT)
        ended = process.end()
        assert ended.code == 130, ended.text
        assert "pair.pairs" in ended.out
        report = json.loads((tmp_path / "report.json").read_text())
        assert [step["step"] for step in report["steps"]] == ["scaled", "pairs"]
        assert report["edges"][-1]["capacity"] == 1000
    finally:
        process.close()
