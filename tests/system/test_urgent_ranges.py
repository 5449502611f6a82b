"""The local engine: what is urgent goes before the rest of a range that a worker has, and nothing else changes."""

from itertools import chain
from pathlib import Path

from penstock.core.log_records import RangeWorked
from penstock.engines.local import run
from penstock.formats.event_log import EventLogReader
from penstock.monitor.report import RunReport
from penstock.pipeline import Map, Pipeline, Sink, Source
from tests.system import urgent_code as code

N_LOW = 200
N_HIGH = 5
LENT = 2 * 16
"""Events that a worker is lent before anything is measured: two ranges."""


def pipeline(folder: Path, *, kills: bool = False) -> Pipeline:
    return Pipeline(
        name="urgent",
        sources={"h": Source(code.high, n=N_HIGH, folder=str(folder)), "l": Source(code.low, n=N_LOW)},
        stages={"fit": Map(code.work, source={"high": "h", "low": "l"}, folder=str(folder), kills=kills, workers=1)},
        sinks={
            "high": Sink("json-lines", source="fit.high", path=str(folder / "high.jsonl")),
            "low": Sink("json-lines", source="fit.low", path=str(folder / "low.jsonl")),
        },
    )


def order(folder: Path) -> list[tuple[str, int]]:
    return [(lane, int(number)) for lane, number in map(str.split, (folder / "order").read_text().splitlines())]


def assert_whole(report: RunReport, folder: Path) -> None:
    assert report.outcome == "finished", report.reasons
    assert report.adds_up
    assert report.edge("h", "fit").accounts == {"done": N_HIGH}
    assert report.edge("l", "fit").accounts == {"done": N_LOW}
    assert len((folder / "high.jsonl").read_text().splitlines()) == N_HIGH
    assert len((folder / "low.jsonl").read_text().splitlines()) == N_LOW


def test_an_urgent_event_goes_before_the_rest_of_a_range(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    report = run(pipeline(tmp_path).plan(), event_log=str(log))
    assert_whole(report, tmp_path)
    begun = order(tmp_path)
    first = begun.index(("high", 0))
    assert 0 < first < LENT - 1
    assert [number for lane, number in begun if lane == "high"] == list(range(N_HIGH))
    # They may come in two pieces, with an event of the range between; none waits until the range is done.
    assert begun.index(("high", N_HIGH - 1)) < LENT + N_HIGH - 1
    assert [number for lane, number in begun if lane == "low"] == list(range(N_LOW)), "each once, and in order"
    # The log says how ranges were cut, so that a replay gives code that remembers the same in the same order.
    worked = [record for record in EventLogReader(log.read_bytes()) if isinstance(record, RangeWorked)]
    told = list(chain.from_iterable([(record.lane, int(number)) for number in record.numbers] for record in worked))
    firsts = {lane: min(number for each, number in told if each == lane) for lane in ("high", "low")}
    assert [(lane, number - firsts[lane]) for lane, number in told] == begun


def test_a_worker_that_dies_of_an_urgent_event_loses_nothing_of_the_range_it_left(tmp_path: Path) -> None:
    report = run(pipeline(tmp_path, kills=True).plan())
    assert_whole(report, tmp_path)
    begun = order(tmp_path)
    first = begun.index(("high", 0))
    assert begun[:first] == [("low", number) for number in range(first)]
    # What it had done before the urgent one was safe.
    assert [number for lane, number in begun[first:] if lane == "low"] == list(range(first, N_LOW))
    assert begun.count(("high", 1)) == 2
