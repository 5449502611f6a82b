"""User code that ends its process, or never comes back: what it worked on is found, and only that is lost."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.pipeline import Join, Map, Pipeline, Reduce, Source, Steps
from penstock.pipeline.entries import Use
from tests.system import deadly_code as code
from tests.system.local_runs import Ended, Hits, books, deaths, run
from tests.system.watching import rounds

pytestmark = pytest.mark.usefixtures("nothing_left_open")

N = 3000


def pipeline(stage: Map, reduce: Any = code.Numbers, *, by: Any = "key", **source: Any) -> Pipeline:
    return Pipeline(
        name="poison",
        sources={name: Source(code.Stored, **{"n": N, "block": 500, **source}) for name in "ab"},
        events={"scan": Join("a", "b", by=by)},
        stages={"map": stage, "seen": Reduce(reduce, source="map")},
    )


def ended(stage: Map, reduce: Any = code.Numbers, hits: Hits | None = None, **source: Any) -> Ended:
    return run(pipeline(stage, reduce, **source), hits, stages=["seen"])


def array(ended: Ended, name: str) -> Any:
    kind, shape, data = ended.views["seen"][name]
    return np.frombuffer(data, kind).reshape(shape)


@pytest.mark.parametrize("target", [code.number_or_die, code.BatchOrDie], ids=["process", "process_batch"])
@pytest.mark.parametrize(
    ("how", "numbers"),
    [("kill", [1203]), ("kill", [1700, 1701, 1999]), ("exit", [0]), ("segfault", [N - 1]), ("hang", [1203])],
    ids=["kill", "several in one block", "exit", "segfault", "hang"],
)
def test_an_event_that_kills_is_set_aside_alone_after_three_deaths(target: Any, how: str, numbers: list[int]) -> None:
    stage = Map(target, source="scan", workers=2, numbers=numbers, how=how, deadline_s=0.5 if how == "hang" else 60.0)
    found = ended(stage)
    report = found.report
    assert (report.outcome, report.exit_code, report.reasons) == ("finished", 3, [])
    left = sorted(set(range(N)) - set(numbers))
    assert array(found, "numbers").tolist() == array(found, "values").tolist() == left
    assert books(report)["scan", "map"] == {"done": len(left), "dead-lettered": len(numbers)}
    assert books(report)["map", "seen"] == {"done": len(left)}
    assert [letter["event"] for letter in report.dead_letters] == numbers
    ends = {"kill": "by SIGKILL", "exit": "ended with code 0", "segfault": "SIGSEGV", "hang": "got on with nothing"}
    for letter in report.dead_letters:
        assert str(letter["cause"]).startswith("3 workers died of it, the last one: map-")
        assert ends[how] in str(letter["cause"])
    # A death in a range whose events were not told yet may be reckoned to several that are in it.
    assert 3 * len(numbers) - (len(numbers) - 1) <= deaths(report) <= 3 * len(numbers)


def test_as_many_deaths_as_the_stage_allows() -> None:
    stage = Map(code.number_or_die, source="scan", numbers=[5], how="kill", trips=1)
    report = ended(stage).report
    assert (report.exit_code, deaths(report)) == (3, 1)


def test_a_result_that_kills_every_reducer_ends_the_run() -> None:
    found = ended(Map(code.number_of, source="scan", workers=2), Use(code.DiesAt, number=1500))
    report = found.report
    assert (report.outcome, report.exit_code) == ("failed", 1)
    assert "stage seen: 3 reducers in a row died of a result of map among events " in report.reasons[0]
    first, _, last = report.reasons[0].partition("events ")[2].split(",")[0].split(" ")
    assert int(first) <= 1500 <= int(last)
    assert "was killed by SIGKILL" in report.reasons[0]
    books(report)
    seen = array(found, "numbers").tolist()
    assert seen == list(range(len(seen)))
    assert len(seen) <= 1500
    assert deaths(report, "seen-0") == 3


# Hooks and constructors


def test_workers_killed_in_their_hooks_are_followed_by_others(request: pytest.FixtureRequest) -> None:
    for dice in rounds(request, 3):
        hits = Hits(dice, ["map-0", "map-1"], 2, pause_s=0.05)
        found = ended(Map(code.SlowHooks, source="scan", workers=2), code.Lists, hits)
        assert (found.report.outcome, found.report.exit_code) == ("finished", 0)
        assert books(found.report)["scan", "map"] == {"done": N}
        assert [row[1] for row in found.views["seen"]["rows"]] == list(range(N))
        assert deaths(found.report) == 2


def test_a_hook_that_kills_every_worker_ends_the_run() -> None:
    report = ended(Map(code.DiesInHook, source="scan", workers=2)).report
    assert (report.outcome, report.exit_code) == ("failed", 1)
    assert any("stage map: 3 workers in a row died of a hook" in reason for reason in report.reasons)
    books(report)


def test_a_constructor_that_kills_its_process_ends_the_run() -> None:
    report = ended(Map(code.DiesAtBirth, source="scan")).report
    assert (report.outcome, report.exit_code) == ("failed", 1)
    assert report.reasons[0].startswith("map-0 (process ")
    assert report.reasons[0].endswith("was killed by SIGSEGV, 5 times in a row")
    assert "in __init__" in str(report.failures[0]["traceback"])
    books(report)


# What workers keep


def test_what_a_worker_kept_for_a_group_is_said_to_be_lost(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    cells = [[{"constraint": k % 4 if k % 50 else None}] for k in range(N)]
    by = {"trigger-map": {"map": {"a": cells, "b": cells}}}
    remarks = []
    for dice in rounds(request, 3):
        gate = str(tmp_path / f"{dice.getrandbits(32)}")
        hits = Hits(dice, ["map-0", "map-1"], 3, gate=gate, from_s=0.1)
        stage = Map(code.weigh, source="scan", workers=2, spend_s=0.0002, large_every=0)
        found = ended(stage, code.Lists, hits, by=by, block=20, pace_s=0.004, gate=gate)
        report = found.report
        assert (report.outcome, report.reasons, deaths(report)) == ("finished", [], 3)
        accounts = books(report)["scan", "map"]
        numbers = [row[1] for row in found.views["seen"]["rows"]]
        assert sorted(set(numbers)) == list(range(N))
        for_all = range(0, N, 50)
        assert all(numbers.count(k) == 1 for k in range(N) if k % 50)
        assert all(1 <= numbers.count(k) <= 2 for k in for_all)
        assert accounts["done"] == len(numbers)
        assert set(accounts) <= {"done", "failed"}
        assert sum(accounts.values()) <= N + len(for_all)
        remarks += report.edge("scan", "map").remarks
    assert any("state lost: map-" in remark for remark in remarks)  # not if it had none yet


def test_an_event_may_be_compared_with_the_one_before() -> None:
    stage = Map(code.Differences, source="scan", workers=2)
    found = run(pipeline(stage, code.Right, block=7, slots=4), stages=["seen"])
    assert (found.report.outcome, found.report.reasons) == ("finished", [])
    assert (int(array(found, "right")), int(array(found, "wrong"))) == (N, 0)


def test_who_keeps_every_frame_is_told_to_copy() -> None:
    found = run(pipeline(Map(code.Hoards, source="scan", workers=2), block=7), stages=["seen"])
    assert (found.report.outcome, found.report.exit_code) == ("failed", 1)
    assert "stage map: Hoards keeps arrays of " in found.report.reasons[0]
    assert "such as in self.hoard" in found.report.reasons[0]
    assert found.report.reasons[0].endswith("keep copies instead, with array.copy()")
    books(found.report)
    numbers, values = array(found, "numbers"), array(found, "values")
    assert numbers.tolist() == values.tolist() == list(range(len(numbers)))


# Steps


def steps(*chain: Any, gate: str) -> Pipeline:
    return Pipeline(
        name="steps",
        sources={"a": Source(code.Stored, n=N, block=20, pace_s=0.003, gate=gate)},
        stages={"watch": Steps(*chain, source="a"), "seen": Reduce(code.Numbers, source="watch")},
    )


def test_functions_are_followed_by_the_same_functions(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for dice in rounds(request, 2):
        gate = str(tmp_path / f"{dice.getrandbits(32)}")
        hits = Hits(dice, ["watch-0"], 3, gate=gate)
        found = run(steps(code.key_of, code.double, gate=gate), hits, stages=["seen"])
        assert (found.report.outcome, found.report.reasons, deaths(found.report)) == ("finished", [], 3)
        assert books(found.report)["a", "watch"]["done"] == N + 2
        assert array(found, "values").tolist() == [2 * k for k in range(N)]


def test_steps_that_keep_something_end_the_run(tmp_path: Path) -> None:
    gate = str(tmp_path / "gate")
    hits = Hits(random.Random(1), ["watch-0"], 1, waits=False)
    found = run(steps(code.key_of, code.Counts, gate=gate), hits, stages=["seen"])
    assert (found.report.outcome, found.report.exit_code) == ("failed", 1)
    assert "was killed by SIGKILL" in found.report.reasons[0]
    assert found.report.reasons[0].endswith(
        "the steps of watch are not all functions, and what the others kept is lost"
    )
    books(found.report)
