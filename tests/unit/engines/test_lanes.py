"""Stages with lanes in the chains engine: the urgent goes first, nothing is mixed up and nothing lost."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock.engines.chains import ChainsRun, run
from penstock.monitor.report import RunReport
from penstock.pipeline import Merge, Pipeline, Sink, Source, Steps, Use
from penstock.pipeline.chains import chains_trouble
from penstock.services.strands.parallel_feed import ParallelFeed
from tests.unit.engines import lanes_code as code

LANES = {"high": "h", "low": "l"}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    code.forget()
    yield
    code.GATE.set()


def pipeline(
    *steps: Any, n_high: int = 5, n_low: int = 20, source: Any = code.items, sinks: Any = None, **options: Any
) -> Pipeline:
    stages = {"s": Steps(*(steps or (code.same,)), source=LANES, **options)}
    return Pipeline(
        sources={"h": Source(source, lane="high", n=n_high), "l": Source(code.items, lane="low", n=n_low)},
        stages=stages,
        sinks={"out": Sink(code.Kept, source="s", name="out")} if sinks is None else sinks,
    )


def kept(place: str, lane: str = "") -> list[Any]:
    return [item for where, item in code.KEPT if where == place and lane in ("", item[0])]


def numbered(lane: str, n: int) -> list[tuple[str, int]]:
    return [(lane, number) for number in range(n)]


def ran(made: Pipeline | ChainsRun) -> RunReport:
    if isinstance(made, ChainsRun):
        while made.step():
            pass
        report = made.finish()
    else:
        report = run(made.plan())
    assert report.adds_up
    assert all(edge.in_flight == 0 for edge in report.edges)
    return report


def feed_of(chains: ChainsRun) -> ParallelFeed:
    (feed,) = chains._cut.parallel
    return feed


def step_until(chains: ChainsRun, is_so: Callable[[], bool]) -> None:
    while not is_so():
        assert chains.step(0.01)


def accounts(report: RunReport, producer: str, consumer: str) -> Mapping[str, int]:
    return report.edge(producer, consumer).accounts


@pytest.mark.parametrize(
    ("step", "options"),
    [
        (code.same, {}),
        (code.same, {"workers": 3}),
        (code.same_async, {"workers": 2}),
        (code.same, {"workers": 2, "run_in": "process"}),
        (code.same_async, {"run_in": "process", "order": "free"}),
    ],
)
def test_each_lane_keeps_its_order_and_its_books(step: Any, options: dict[str, Any]) -> None:
    sinks = {
        "out": Sink(code.Kept, source="s", name="out"),
        "high": Sink(code.KeptHere, source="s.high", name="high"),
        "low": Sink(code.KeptHere, source="s.low", name="low"),
    }
    report = ran(pipeline(step, n_high=300, n_low=3000, sinks=sinks, **options))
    assert report.outcome == "finished", report.reasons
    assert not report.reasons
    for place, lane, n in (("out", "high", 300), ("out", "low", 3000), ("high", "high", 300), ("low", "low", 3000)):
        found = kept(place, lane)
        assert (sorted(found) if options.get("order") == "free" else found) == numbered(lane, n)
    assert len(kept("high")) == 300, "and nothing of the other lane"
    assert len(kept("low")) == 3000
    assert accounts(report, "h", "s") == {"done": 300}
    assert accounts(report, "l", "s") == {"done": 3000}
    assert accounts(report, "s", "out") == {"done": 3300}
    assert accounts(report, "s", "high") == {"done": 300}


def test_lanes_are_carried_on_and_end_in_a_merge_or_where_one_is_read() -> None:
    made = Pipeline(
        sources={name: Source(code.items, lane=lane, n=50) for lane, name in LANES.items()},
        events={"all": Merge("s", "again")},
        stages={
            "s": Steps(code.same, source=LANES),
            "again": Steps(Use(code.noted, place="again"), source="s"),
            "urgent": Steps(code.pairs, Use(code.noted, place="urgent"), source="again.high"),
        },
        sinks={"merged": Sink(code.KeptHere, source="all", name="merged")},
    )
    report = ran(made)
    assert report.outcome == "finished", report.reasons
    for lane in LANES:
        assert kept("again", lane) == numbered(lane, 50)
    assert kept("urgent") == numbered("high", 50)
    assert sorted(kept("merged")) == sorted([*numbered("high", 50), *numbered("low", 50)] * 2)
    assert accounts(report, "s.low", "again") == {"done": 50}
    assert accounts(report, "again.high", "urgent") == {"done": 50}


def test_an_urgent_item_waits_for_the_one_that_is_worked_on_and_no_other() -> None:
    chains = ChainsRun(pipeline(code.at_the_gate, source=code.late, n_high=3).plan())
    chains.open()
    shares = feed_of(chains)._shares
    # It was given, though everything had been given to the worker before that.
    step_until(chains, lambda: bool(shares._given[0]) and shares.lane_of(0, -1) == 0)
    code.GATE.set()
    ran(chains)
    assert kept("begun")[:2] == [("low", 0), ("high", 0)]
    assert kept("out", "low") == numbered("low", 20)
    assert kept("out", "high") == numbered("high", 3)


def test_a_process_gives_back_what_it_has_not_begun(tmp_path: Path) -> None:
    step = Use(code.at_the_file, folder=str(tmp_path))
    chains = ChainsRun(pipeline(step, source=code.late, n_high=1, run_in="process").plan())
    chains.open()
    step_until(chains, (tmp_path / "begun").exists)
    shares = feed_of(chains)._shares
    step_until(chains, lambda: shares.has(0) > 1)
    code.BEGUN.set()
    step_until(chains, lambda: shares.lane_of(0, -1) == 0)
    (tmp_path / "open").touch()
    ran(chains)
    assert (tmp_path / "begun").read_text().splitlines()[:3] == ["low 0", "high 0", "low 1"]
    assert kept("out", "low") == numbered("low", 20)


def test_a_reader_of_a_low_lane_that_is_full_stops_no_high_one() -> None:
    sinks = {
        "slow": Sink(code.Kept, source="s.low", name="slow", gate="low"),
        "fast": Sink(code.Kept, source="s.high", name="fast"),
    }
    chains = ChainsRun(pipeline(source=code.late, n_high=2000, n_low=50_000, sinks=sinks).plan())
    chains.open()
    step_until(chains, lambda: len(kept("fast")) == 2000)
    assert len(kept("slow")) == 1
    code.GATE.set()
    report = ran(chains)
    assert report.outcome == "finished"
    assert kept("slow") == numbered("low", 50_000)


def test_a_sink_that_waits_is_given_the_urgent_next() -> None:
    sinks = {"out": Sink(code.Kept, source="s", name="out", gate="low")}
    chains = ChainsRun(pipeline(source=code.late, n_high=1, sinks=sinks).plan())
    chains.open()
    edge = chains._cut.edges["s → out"]
    step_until(chains, lambda: bool(edge.items) and edge.items[0][0] == "high")
    code.GATE.set()
    ran(chains)
    assert kept("out")[:3] == [("low", 0), ("high", 0), ("low", 1)]
    assert kept("out", "low") == numbered("low", 20)


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest", "sample"])
def test_the_lowest_lane_is_shed_first_and_it_is_said(when_full: str) -> None:
    made = pipeline(code.at_the_gate, source=code.late, n_high=100, n_low=5000, when_full=when_full)
    chains = ChainsRun(made.plan())
    chains.open()
    step_until(chains, lambda: sum(chains._cut.sources["h"].entry.accounts) == 100)
    live = chains.report()
    code.GATE.set()
    report = ran(chains)
    dropped = accounts(report, "l", "s")["dropped"]
    assert dropped + accounts(report, "l", "s")["done"] == 5000
    assert accounts(report, "h", "s") == {"done": 100}
    assert kept("out", "high") == numbered("high", 100)
    assert report.outcome == "finished"
    assert report.reasons == [f"l → s: {dropped} of lane low dropped: there was no room"]
    assert any("of lane low dropped: there was no room" in reason for reason in live.reasons)
    assert "dropped: of lane low: there was no room" in report.edge("l", "s").remarks


@pytest.mark.parametrize("lane", ["high", "low"])
def test_a_failure_is_in_the_books_of_its_lane(lane: str) -> None:
    step = Use(code.wrong_at, lane=lane, number=3)
    report = ran(pipeline(step, on_error="skip"))
    other = "low" if lane == "high" else "high"
    assert accounts(report, LANES[lane], "s")["failed"] == 1
    assert "failed" not in accounts(report, LANES[other], "s")
    assert any("ValueError" in remark for remark in report.edge(LANES[lane], "s").remarks)
    assert not report.edge(LANES[other], "s").remarks


def test_what_comes_before_a_failure_goes_on_and_the_run_fails() -> None:
    report = ran(pipeline(Use(code.wrong_at, lane="low", number=7), n_low=5000))
    assert report.outcome == "failed"
    assert "ValueError: low 7" in report.reasons[0]
    assert kept("out", "low") == numbered("low", 7)
    assert accounts(report, "l", "s")["failed"] == 1


def test_a_process_that_dies_loses_nothing_of_any_lane(tmp_path: Path) -> None:
    report = ran(pipeline(Use(code.die_once, folder=str(tmp_path)), run_in="process", workers=2))
    assert report.outcome == "finished", report.reasons
    assert sum(process.deaths for process in report.processes) == 2
    assert kept("out", "low") == numbered("low", 20)
    assert kept("out", "high") == numbered("high", 5)


def test_a_drain_brings_out_all_lanes() -> None:
    chains = ChainsRun(pipeline(code.at_the_gate, source=code.late, n_low=10_000_000).plan())
    chains.open()
    step_until(chains, lambda: code.BEGUN.is_set() and feed_of(chains)._shares.has(0) > 1)
    chains.drain()
    code.GATE.set()
    report = ran(chains)
    assert report.outcome == "aborted"
    for lane in LANES:
        assert kept("out", lane) == numbered(lane, len(kept("out", lane)))


def test_what_lies_before_the_lanes_of_lanes_can_be_discarded() -> None:
    gives = {"high": code.late, "low": code.items}
    sources = {lane: Source(gives[lane], lane=lane, n=20) for lane in LANES}
    stages = {"s": Steps(code.same, source={lane: lane for lane in LANES}), "g": Steps(code.at_the_gate, source="s")}
    chains = ChainsRun(Pipeline(sources=sources, stages=stages).plan())
    chains.open()
    (feed,) = (feed for feed in chains._cut.parallel if feed.stage.name == "g")
    step_until(chains, lambda: code.BEGUN.is_set() and feed._shares.has(0) > 1)
    told: list[int] = []
    chains.discard(told.append)
    step_until(chains, lambda: bool(told))
    code.GATE.set()
    report = ran(chains)
    assert report.outcome == "finished", report.reasons
    assert told[0] == sum(edge.accounts.get("aborted", 0) for edge in report.edges) > 0
    assert "aborted: discarded on request" in report.edge("s.high", "g").remarks


def test_what_needs_all_items_is_run_elsewhere_or_refused_when_it_is_made() -> None:
    trouble = chains_trouble(pipeline(code.pairs).plan())
    assert trouble.startswith("s has lanes, and ")
    assert trouble.endswith("lanes_code:pairs is given all items, not one by one")
    report = ran(pipeline(code.pairs_maker))
    assert report.outcome == "failed"
    assert "pairs_maker is a generator, which sees the items of one worker only" in report.reasons[0]


@pytest.mark.parametrize("reads", ["s", "s.high"])
def test_a_sink_behind_lanes_is_not_stopped_before_the_end(reads: str) -> None:
    sinks = {"out": Sink(code.KeptHere, source=reads, name="out")}
    chains = ChainsRun(pipeline(code.at_the_gate, source=code.late, sinks=sinks).plan())
    chains.open()
    step_until(chains, code.BEGUN.is_set)
    states = {each.name: each.state for each in chains.report().states}
    code.GATE.set()
    report = ran(chains)
    assert states["out"] != "stopped"
    assert {each.state for each in report.states} == {"stopped"}
