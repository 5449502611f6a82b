"""Users' classes on our engines: every hook, parameters of every class everywhere, ticks, what is published."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.compat.dranspose.dumps import encode_event
from penstock.compat.dranspose.events import message_of_event
from penstock.compat.dranspose.lookup import find_user_class
from penstock.compat.dranspose.pipelines import REDUCE, SCAN, WORK, Pool, contexts_of, pipeline_of, replay_map
from penstock.compat.dranspose.reducer_class import published, reducer_of
from penstock.compat.dranspose.served.event import InternalWorkerMessage, StreamData
from penstock.compat.dranspose.worker_class import INDEX, worker_of
from penstock.core.timestamp import Timestamp
from penstock.engines.inline import InlineRun
from penstock.errors import CheckError
from penstock.monitor.report import RunReport
from penstock.pipeline import Source

HERE = Path(__file__).parents[3] / "system" / "dranspose"
EVENTS = 60


@pytest.fixture
def calls() -> Iterator[list[Any]]:
    found: list[Any] = find_user_class("hooks:Worker", HERE).process_event.__globals__["calls"]  # type: ignore[attr-defined]
    found.clear()
    yield found
    found.clear()


def replayed(tmp_path: Path, worker: str, contexts: Any = None, values: Any = None) -> tuple[RunReport, dict[str, Any]]:
    path = tmp_path / "a.cbors"
    path.write_bytes(b"".join(encode_event(k, {"xrd": ("STINS", [b"{}"])}) for k in range(EVENTS)))
    pools = [Pool(use=f"hooks:{worker}", workers=2)]
    source = Source("penstock.compat.dranspose.sources:DumpSource", files=[str(path)])
    pipeline = pipeline_of({"dump": source}, pools, "hooks:Reducer", folder=HERE, worker_name="w", values=values)
    told = contexts_of(pools) if contexts is None else contexts
    run = InlineRun(pipeline.plan(), trigger_maps={SCAN: replay_map()}, contexts=told)
    run.open()
    while run.step():
        pass
    report = run.finish()
    return report, dict(run.views(REDUCE))


def test_every_hook_is_called(tmp_path: Path, calls: list[Any]) -> None:
    contexts = contexts_of([Pool(use="hooks:Worker", workers=2)])
    values = {WORK: {"roi_first": 7, "undescribed": {"offset": b"2.5"}}, REDUCE: {"offset": 2.5}}
    report, views = replayed(tmp_path, "Worker", contexts, values)
    assert report.outcome == "finished"
    assert views["n"] == [0, 0, *range(1, EVENTS)]  # the first to both, and all in order
    assert [call for call in calls if call[0] == "made"] == [("made", "w-0", 7, 2.5), ("made", "w-1", 7, 2.5)]
    assert calls[2:] == [("finish", 1.5), ("close", ["scans", "socket"])] * 2
    assert contexts[WORK] == [{"scans": 1}, {"scans": 1}]  # a socket does not outlive its close
    assert views["offset"] == 2.5
    assert views["workers"] == ["w-0", "w-1"]
    assert "finished" not in views
    assert views["locked"] >= 1
    assert views["_attrs"] == {"NX_class": "NXroot"}


def test_a_worker_without_ticks_or_other_hooks_runs(tmp_path: Path, calls: list[Any]) -> None:
    report, views = replayed(tmp_path, "Old")
    assert (report.outcome, views["n"][-1], views["ticks"], calls) == ("finished", EVENTS - 1, [], [])


def test_in_each_interval_one_worker_ticks(calls: list[Any]) -> None:
    made = worker_of(find_user_class("hooks:Worker", HERE))
    workers: list[Any] = [made(context={INDEX: k}, workers=3, others=["hooks:Reducer"]) for k in range(3)]
    event = message_of_event([InternalWorkerMessage(event_number=5, streams={"a": StreamData(typ="t", frames=[b"x"])})])
    assert {worker.tick_s for worker in workers} == {0.02}
    for turn in range(7):
        for worker in workers:
            worker.tick(Timestamp(turn * 20_000_000 + 5))
        ticks = [worker.process(event)[3]["tick"] for worker in workers]
        assert ticks == [k == turn % 3 for k in range(3)]
        assert not any(worker.process(event)[3]["tick"] for worker in workers)


def test_a_timer_says_when_it_is_due_again() -> None:
    reducer: Any = reducer_of(find_user_class("hooks:Reducer", HERE))()
    seen = []
    for now_ms in (5, 10, 14, 15, 24, 25, 60, 61):
        reducer.tick(Timestamp(now_ms * 1_000_000))
        seen.append(reducer.views["timer"])
    assert seen == [1, 1, 1, 2, 2, 3, 4, 4]  # it asks for 10 ms


def test_workers_of_further_pools_are_called_as_the_pool() -> None:
    pools = [Pool(use="hooks:Old", workers=2), *(Pool(use="hooks:Old", workers=n, name=f"w{n}") for n in (1, 2))]
    plan = pipeline_of({"dump": Source("every", every_s=1)}, pools, folder=HERE).plan()
    made: list[Any] = []
    for stage in plan.stages.values():
        (element,) = stage.elements
        target: Any = element.target
        made += [target(context={INDEX: k}, **element.arguments).name for k in range(stage.workers)]
    assert made[2:] == ["w1", "w2-0", "w2-1"]
    assert made[0].startswith("Worker-")
    assert made[0].endswith("-0")


def test_a_class_that_is_not_there_is_named() -> None:
    with pytest.raises(CheckError, match='hooks has no "Wrker"'):
        find_user_class("hooks:Wrker", HERE)
    pipeline = pipeline_of({"dump": Source("every", every_s=1)}, [Pool(use="no_such:Worker")], folder=HERE)
    assert any('no module "no_such"' in problem.text for problem in pipeline.check().problems)


def test_only_what_can_be_shown_is_published() -> None:
    tree = {
        "a": {"b": np.arange(3), "c": (1, 2), "bad": [[1], [1, 2]], "x/y": 1, "": 2, 3: 4},
        "none": None, "call": print, "set": {1}, "text": ["a", "b"], "objects": np.array([None]), "flag": True,
    }  # fmt: skip
    found = published(tree)
    assert list(found) == ["a", "text", "flag"]
    assert list(found["a"]) == ["b", "c"]
    assert published(None) == {}
