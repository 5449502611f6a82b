"""Notices from every kind of process, counted exactly; journal, history, metrics and health of real runs."""

import json
import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from penstock.client import connect
from penstock.errors import SelectionError
from penstock.monitor.report import NoticeReport, RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Sink, Source, Steps, Use
from penstock.services.web_service import WebService
from penstock.testing import engine_cases as cases
from tests.system import noticing
from tests.system.test_web import until


def by_text(notices: list[NoticeReport]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for notice in notices:
        found.setdefault(notice.text, set()).add(notice.source)
    return found


def joined(measure: Any, n: int, **options: Any) -> Pipeline:
    return Pipeline(
        name="noticing",
        sources={"left": Source(noticing.NoticingFrames, n=n), "right": Source(cases.Frames, n=n)},
        events={"scan": Join("left", "right", by="order")},
        stages={
            "measure": Map(measure, source="scan", workers=2),
            "sum": Reduce(noticing.NoticingSum, source="measure"),
        },
        **options,
    )


@pytest.mark.parametrize("engine", ["local", "inline"])
def test_notices_come_from_every_process_of_a_run_with_the_name_of_who_raised_them(engine: str, tmp_path: Path) -> None:
    pipeline = joined(
        noticing.measured,
        40,
        sinks={"out": Sink(noticing.NoticingLines, source="measure", path=str(tmp_path / "out"))},
        logs={"folder": str(tmp_path / "logs"), "level": "log"},
    )
    report: RunReport = pipeline.run(engine)
    assert (report.outcome, report.reasons) == ("finished", [])
    lines = [json.loads(line) for line in (tmp_path / "logs" / "noticing.jsonl").read_text().splitlines()]
    told = [line for line in lines if line["kind"] == "notice"]
    counts = Counter[str]()
    for line in told:
        counts[line["text"]] += line.get("times", 1)
    assert counts["measured"] == 40
    assert counts["reduced"] == 40
    assert counts["written"] == 40
    assert counts["read"] > 0
    assert report.notice_counts["alarm"] == 40
    assert {line["code"] for line in told if line["text"] == "measured"} == {7}
    assert all(0 <= line["values"]["number"] < 40 for line in told if line["text"] == "measured")
    if engine == "local":
        sources = {line["text"]: line["source"].rstrip("01") for line in told}
        assert sources == {"measured": "measure-", "reduced": "sum-", "written": "out", "read": "left"}
    assert (lines[0]["what"], lines[-1]["what"], lines[-1]["outcome"]) == ("begins", "ended", "finished")


def test_notices_come_from_threads_tasks_and_processes_of_chains() -> None:
    pipeline = Pipeline(
        sources={"n": Source(noticing.numbers, n=30)},
        stages={
            "first": Steps(noticing.called, source="n"),
            "tasks": Steps(noticing.awaited, source="first", workers=2, run_in="thread"),
            "far": Steps(noticing.worked, source="tasks", workers=2, run_in="process"),
            "last": Steps(noticing.chatty_item, Use(noticing.Written), source="far"),
        },
    )
    with pipeline.start("chains") as run:
        report = run.wait(60)
    assert report.outcome == "finished"
    assert report.notice_counts == {"info": 1 + 3 * 30, "alarm": 30, "log": 30}
    found = by_text(run.notices())
    assert found["begins"] == {"n"}
    assert found["worked"] <= {"far-0", "far-1"}
    assert found["awaited"] <= {"tasks-0", "tasks-1"}
    assert all("" not in sources for sources in found.values()), found


def test_a_run_to_which_nobody_listens_counts_every_notice_and_is_not_held_up() -> None:
    n = 8_000
    with joined(noticing.chatty, n).start("local") as run:
        report = run.wait(120)
    assert report.outcome == "finished"
    assert report.edge("scan", "measure").accounts == {"done": n}
    assert float(run.views("sum")["sum"].array) == n * (n - 1) / 2
    log, info = report.notice_counts["log"], report.notice_counts["info"]
    assert log == n, "those of the reducer, all of one text"
    reads = report.notice_counts["unkept"] + info  # one of every event, and one of every read of a source, kept or not
    assert reads > n
    assert info < n, "most of them were too many"
    assert len(report.notices) <= 20
    assert any("more notices of measure-" in notice.text for notice in run.notices())


def test_history_metrics_health_and_notices_of_a_run_that_is_served(tmp_path: Path, nothing_left_open: None) -> None:
    pipeline = Pipeline(
        name="ticking",
        sources={"ticks": Source(noticing.ticks)},
        stages={"far": Steps(noticing.worked, source="ticks", workers=1, run_in="process")},
        logs={"folder": str(tmp_path)},
    )
    with WebService(port=0) as web, pipeline.start("chains", web=web) as run, connect(web.address) as seen:
        until(lambda: seen.notices("alarm") and len(run.history()["times"]) >= 2)
        assert seen.notices("alarm", 1)[0]["source"] == "far-0"
        with pytest.raises(SelectionError, match="level"):
            seen.notices("loud")
        past = seen.history("edge.ticks.far.arrived", since_s=3600)
        assert list(past["series"]) == ["edge.ticks.far.arrived"]
        assert past["series"]["edge.ticks.far.arrived"] == sorted(past["series"]["edge.ticks.far.arrived"])
        families = {
            each.name: each
            for each in text_string_to_metric_families(httpx.get(f"{web.address}/metrics", timeout=30).text)
        }
        used = {sample.labels["process"]: sample for sample in families["penstock_process_cpu_seconds"].samples}
        assert {"far-0", "supervisor", "warm", "web"} <= set(used)
        assert families["penstock_edge_arrived"].samples[0].value > 0
        assert httpx.get(f"{web.address}/health", timeout=30).json() == {"status": "ok"}
        assert httpx.get(f"{web.address}/health/ready", timeout=30).status_code == 200

        assert web.pid is not None
        os.kill(web.pid, signal.SIGKILL)  # what was noticed is not there
        assert len(seen.history("edge.ticks.far.arrived")["times"]) >= len(past["times"])

        (worker,) = [process.pid for process in run.statistics().processes]
        os.kill(worker, signal.SIGKILL)
        until(lambda: run.statistics().processes[0].deaths == 1)
        seen.stop("enough")
        run.wait(60)
        until(lambda: seen.ledger.outcome == "aborted")
        assert run.notices("alarm")
        over, end = os.pipe()
        stays = threading.Thread(target=web.stay, args=(over,))  # as penstock run --stay does
        stays.start()
        try:
            assert seen.notices("alarm")
            assert seen.history("edge.ticks.far.arrived")["times"]
            assert httpx.get(f"{web.address}/health/ready", timeout=30).status_code == 503
        finally:
            os.close(end)
            stays.join()
            os.close(over)
    lines = [json.loads(line) for line in (tmp_path / "ticking.jsonl").read_text().splitlines()]
    assert [(line["source"], line["deaths"]) for line in lines if line["kind"] == "death"] == [("far-0", 1)]
    assert lines[-1]["outcome"] == "aborted"
