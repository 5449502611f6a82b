"""A local run under control: parameters change at an event, workers come and go, and it ends when it is asked to."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from penstock.core.map_reader import read_map
from penstock.core.parameters import Change
from penstock.engines.handle import Run
from penstock.errors import MapError, ParameterError, PenstockError, ServiceError, StateError
from penstock.monitor.report import ProcessReport, RunReport
from penstock.pipeline import ByTriggerMap, Join, Map, Pipeline, Reduce, Source, Steps
from penstock.pipeline.entries import Use
from penstock.services.usage import usage_of
from tests.system import controlled
from tests.system.watching import PATIENCE_S

pytestmark = pytest.mark.usefixtures("nothing_left_open")


def scan(stage: Map, *, rate: float = 4000, reduce: Any = controlled.Rows, **source: Any) -> Pipeline:
    return Pipeline(
        name="control",
        sources={name: Source(controlled.Paced, rate=rate, **source) for name in "ab"},
        events={"scan": Join("a", "b", by="key")},
        stages={"map": stage, "rows": Reduce(reduce, source="map")},
    )


def until(is_so: Callable[[], bool]) -> None:
    """Look again and again, because what is waited for happens in other processes."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def goes_on(run: Run, events: int) -> None:
    """Wait until so many more events are done."""
    begun = done(run.statistics())
    until(lambda: done(run.statistics()) >= begun + events)


def done(report: RunReport) -> int:
    return report.edge("map", "rows").accounts.get("done", 0)


def workers(run: Run, stage: str = "map") -> dict[str, ProcessReport]:
    """Return the processes of a stage that are there, by name."""
    found = (process for process in run.statistics().processes if process.name.startswith(f"{stage}-"))
    return {process.name: process for process in found if process.state in ("waiting", "processing")}


def rows(run: Run) -> Any:
    """(n, 5), what the reducer has seen."""
    return np.asarray(run.views("rows")["rows"])


def assert_kept(run: Run, report: RunReport, changes: list[Change]) -> None:
    """Hold every event against the promise: all values of one revision, whoever worked on it."""
    seen = rows(run)
    assert report.adds_up
    assert seen[:, 0].tolist() == list(range(report.joins["scan"].formed)), "lost, doubled, or out of order"
    starts = [change.from_event for change in changes]
    assert starts == sorted(starts)
    revision = np.searchsorted(starts, seen[:, 0], "right")
    assert seen[:, 3].tolist() == revision.tolist(), "a result names another revision than was promised to its event"
    gain, label, gains, labels = 1.0, 0.0, [1.0], [0.0]
    for change in changes:
        gain, label = change.values.get("map.gain", gain), change.values.get("rows.label", label)
        gains.append(gain)
        labels.append(label)
    assert seen[:, 1].tolist() == np.array(gains)[revision].tolist()
    assert seen[:, 4].tolist() == np.array(labels)[revision].tolist()


@pytest.mark.parametrize("target", [controlled.scaled, controlled.Scaled])
def test_a_change_holds_from_one_event_on_everywhere(target: Any) -> None:
    with scan(Map(target, source="scan", workers=2)).start() as run:
        goes_on(run, 200)
        changes = [run.set(gain=2)]
        goes_on(run, 100)
        changes += [run.set({"rows.label": 7.0}), run.set({"map.gain": 3, "label": 8}, who="somebody")]
        goes_on(run, 100)
        with pytest.raises(ParameterError, match="gain"):
            run.set(label=9, gain=-1)
        with pytest.raises(ParameterError, match="nonsense"):
            run.set(nonsense=1)
        run.scale("map", 4)
        until(lambda: len(workers(run)) == 4)
        changes.append(run.set(gain=4))
        goes_on(run, 200)
        killed = workers(run)["map-0"].pid
        os.kill(killed, signal.SIGKILL)
        until(lambda: workers(run).get("map-0", ProcessReport(name="", role="", pid=killed)).pid != killed)
        late = {process.pid for process in workers(run).values()}
        goes_on(run, 200)
        changes.append(run.set(gain=5))
        goes_on(run, 100)
        run.stop()
        report = run.wait(PATIENCE_S)
    assert [change.revision for change in changes] == [1, 2, 3, 4, 5]
    assert changes[2].who == "somebody"
    assert_kept(run, report, changes)
    seen = rows(run)
    assert {int(pid) for pid in seen[seen[:, 3] == 5, 2]} <= late
    assert len({*seen[:, 2]}) > 2, "only one worker had anything to do"
    assert (report.outcome, report.exit_code, report.reasons) == ("aborted", 130, ["stopped on request"])


def test_steps_of_an_instrument_that_is_far_ahead_of_its_join_change_too() -> None:
    pipeline = Pipeline(
        name="control",
        sources={"a": Source(controlled.Paced, rate=1000), "b": Source(controlled.Paced, rate=100)},
        events={"scan": Join("a", "b", by="key", incomplete="wait")},
        stages={
            "map": Map(controlled.scaled, source="scan"),
            "rows": Reduce(controlled.Rows, source="map"),
            # So slow that at every change some messages are under way to it, and some results from it.
            "watch": Steps(Use(controlled.times, wait_s=0.001), controlled.plus, source="a"),
            "seen": Reduce(controlled.Steps, source="watch"),
        },
    )
    with pipeline.start() as run:
        goes_on(run, 20)
        run.set({"watch.times.factor": 2.0, "seen.label": 2, "rows.label": 2, "map.gain": 2})
        goes_on(run, 20)
        run.set({"watch.plus.offset": 3.0, "seen.label": 3, "rows.label": 3, "map.gain": 3})
        goes_on(run, 20)
        run.stop()
        assert run.wait(PATIENCE_S).adds_up
    seen = np.asarray(run.views("seen")["rows"])
    assert seen[:, 0].tolist() == list(range(2, len(seen) + 2))
    expected = {0: [1, 0, 0], 1: [2, 0, 2], 2: [2, 3, 3]}
    assert sorted(set(seen[:, 3])) == [0, 1, 2]
    assert [row[[1, 2, 4]].tolist() for row in seen] == [expected[row[3]] for row in seen]
    mapped = rows(run)
    assert sorted(set(mapped[:, 3])) == [0, 1, 2]
    assert [row[[1, 4]].tolist() for row in mapped] == [{0: [1, 0], 1: [2, 2], 2: [3, 3]}[row[3]] for row in mapped]


def test_behind_steps_that_number_anew_a_change_does_not_wait_for_its_number() -> None:
    pipeline = Pipeline(
        name="control",
        sources={"a": Source(controlled.Paced, rate=4000)},
        events={"scan": Join("a", by="order")},
        stages={
            "map": Map(controlled.scaled, source="scan"),
            "thin": Steps(controlled.every_500th, source="map"),
            "rows": Reduce(controlled.Rows, source="thin"),
        },
    )
    with pipeline.start() as run:
        until(lambda: run.views("rows").get("rows") is not None and len(rows(run)) > 2)
        run.set({"map.gain": 2, "rows.label": 2})
        until(lambda: rows(run)[-1][4] == 2 and rows(run)[-1][1] == 2)
        run.stop()
        assert run.wait(PATIENCE_S).adds_up
    seen = rows(run)
    assert seen[:, 0].tolist() == list(range(len(seen)))
    assert (seen[:, 4] == 0).sum() < 1000, "it waited for the number of an event of the join"
    # Of the few that were on the way, what made them and what reads them may have had different values.
    assert sorted(set(seen[:, 4])) == [0, 2]
    assert (np.diff(seen[:, 4]) >= 0).all()


def test_workers_come_and_go_under_load_and_nothing_is_lost_or_done_twice(tmp_path: Path) -> None:
    stage = Map(controlled.Noted, folder=str(tmp_path), wait_s=0.004, source="scan", workers=2)
    with scan(stage, rate=1e5, gate=str(tmp_path / "gate"), block=50).start() as run:
        goes_on(run, 50)
        everybody = {process.pid for process in workers(run).values()}
        for asked in (5, 1, 4, 2, 3):
            run.scale("map", asked)
            until(lambda asked=asked: len(workers(run)) == asked)  # type: ignore[misc]
            there = {process.pid for process in workers(run).values()}
            everybody |= there
            until(lambda there=there: _named("map-") == there)  # type: ignore[misc]
            goes_on(run, 50)
        with pytest.raises(PenstockError, match="no map stage is called 'rows'; there are map"):
            run.scale("rows", 2)
        with pytest.raises(PenstockError, match="0 workers for map"):
            run.scale("map", 0)
        (tmp_path / "gate").touch()
        report = run.wait(PATIENCE_S)
    assert (report.outcome, report.adds_up) == ("finished", True)
    formed = report.joins["scan"].formed
    assert rows(run)[:, 0].tolist() == list(range(formed))
    assert report.edge("scan", "map").accounts == {"done": formed}
    (tmp_path / "gate").unlink()
    notes = {int(path.name): path.read_text().splitlines() for path in tmp_path.iterdir()}
    assert set(notes) == everybody
    worked = [line for lines in notes.values() for line in lines if line.startswith("event")]
    assert len(worked) == formed, "one who left had not finished what it was given"
    assert all((lines[0], lines[-1]) == ("start", "close") for lines in notes.values())
    at_the_end = {pid for pid, lines in notes.items() if lines[-2:] == ["end", "close"]}
    assert at_the_end == there
    assert all(lines.count("end") == (pid in at_the_end) for pid, lines in notes.items())


def test_a_successor_is_told_of_the_start_and_the_end(tmp_path: Path) -> None:
    stage = Map(controlled.Noted, folder=str(tmp_path), source="scan", workers=2)
    with scan(stage, gate=str(tmp_path / "gate")).start() as run:
        goes_on(run, 50)
        killed = workers(run)["map-1"].pid
        os.kill(killed, signal.SIGKILL)
        until(lambda: workers(run).get("map-1", ProcessReport(name="", role="", pid=killed)).pid != killed)
        goes_on(run, 200)
        (tmp_path / "gate").touch()
        report = run.wait(PATIENCE_S)
    assert report.outcome == "finished"
    assert next(process for process in report.processes if process.name == "map-1").deaths == 1
    (tmp_path / "gate").unlink()
    notes = {int(path.name): path.read_text().splitlines() for path in tmp_path.iterdir()}
    assert len(notes) == 3
    assert all(lines[0] == "start" for lines in notes.values())
    assert {pid for pid, lines in notes.items() if lines[-2:] != ["end", "close"]} == {killed}


def test_constraints_move_only_when_their_worker_leaves(tmp_path: Path) -> None:
    n = 4000
    cells = [[{"constraint": k % 4 if k % 100 else None}] for k in range(n)]
    watched = [[*cell, {"constraint": 9, "tags": ["debug"]}] if not k % 10 else cell for k, cell in enumerate(cells)]
    by = {"trigger-map": {"map": {"a": watched, "b": cells}}}
    pipeline = Pipeline(
        name="control",
        sources={name: Source(controlled.Paced, rate=2000, n=n) for name in "ab"},
        events={"scan": Join("a", "b", by=by)},
        stages={
            "map": Map(controlled.scaled, source="scan", workers=3),
            "debug": Map(controlled.scaled, source="scan", tags=["debug"], workers=1),
            "rows": Reduce(controlled.Rows, source="map"),
            "seen": Reduce(controlled.Rows, source="debug"),
        },
    )
    with pipeline.start() as run:
        goes_on(run, 300)
        first = {process.pid for process in workers(run).values()}
        run.scale("map", 1)
        run.scale("debug", 2)
        until(lambda: (len(workers(run)), len(workers(run, "debug"))) == (1, 2))
        ((_, left),) = workers(run).items()
        goes_on(run, 300)
        run.scale("map", 3)
        until(lambda: len(workers(run)) == 3)
        report = run.wait(PATIENCE_S)
    assert (report.outcome, report.adds_up) == ("finished", True)
    seen = rows(run)
    numbers, pids = seen[:, 0].astype(int), seen[:, 2].astype(int)
    assert sorted(set(numbers)) == list(range(n))
    everybody = {int(number): pids[numbers == number].tolist() for number in range(0, n, 100)}
    assert all(len(set(by)) == len(by) for by in everybody.values()), "one worker got an event for all twice"
    assert len(numbers) == n + sum(len(by) - 1 for by in everybody.values())
    sizes = [len(by) for by in everybody.values()]
    assert (sizes[0], min(sizes), sizes[-1]) == (3, 1, 3)
    assert set(everybody[0]) == first
    for constraint in range(4):
        chosen = pids[(numbers % 4 == constraint) & (numbers % 100 != 0)].tolist()
        moves = [chosen[0], *(after for before, after in pairwise(chosen) if before != after)]
        assert moves in ([left.pid], [moves[0], left.pid]), "it moved without need, or to somebody who had left"
    debugged = np.asarray(run.views("seen")["rows"])
    assert debugged[:, 0].tolist() == list(range(0, n, 10))
    assert len({*debugged[:, 2]}) == 1, "a second worker for debugging took a constraint that the first one held"


def test_stopping_brings_out_what_has_arrived_and_aborting_does_not_wait(tmp_path: Path) -> None:
    stage = Map(controlled.Scaled, wait_s=0.002, source="scan", workers=2)
    with scan(stage, rate=1e5).start() as run:
        goes_on(run, 20)
        run.stop("the beam is gone")
        report = run.wait(PATIENCE_S)
    assert (report.outcome, report.exit_code, report.reasons) == ("aborted", 130, ["the beam is gone"])
    assert report.adds_up
    assert not any(edge.in_flight for edge in report.edges)
    assert report.edge("scan", "map").accounts == {"done": report.joins["scan"].formed}
    assert rows(run)[:, 0].tolist() == list(range(report.joins["scan"].formed))

    stage = Map(controlled.Scaled, wait_s=30.0, source="scan", workers=2)
    with scan(stage, rate=1e5).start() as run:
        until(lambda: all(process.state == "processing" for process in workers(run).values()))
        asked = time.monotonic()
        run.abort()
        report = run.wait(PATIENCE_S)
        assert time.monotonic() - asked < 10
    assert (report.outcome, report.exit_code, report.adds_up) == ("aborted", 130, True)
    assert report.edge("scan", "map").accounts["aborted"] == report.edge("scan", "map").loss
    assert not any(edge.in_flight for edge in report.edges)


def test_a_run_can_be_looked_at_while_it_goes_on(tmp_path: Path) -> None:
    with scan(Map(controlled.scaled, source="scan", workers=2), rate=4000).start() as run:
        goes_on(run, 100)
        for _ in range(50):
            report = run.statistics()
            assert report.adds_up
            assert report.outcome == "running"
            assert all(0 <= pool.free <= pool.slots for pool in report.pools)
        until(lambda: run.statistics().duration_s > 1.5)
        report = run.statistics()
        run.stop()
    assert msgspec.json.decode(msgspec.json.encode(report), type=RunReport) == report
    for edge in report.edges:
        assert 0 < edge.recent_per_s < 20_000
        assert edge.loss == 0
        assert edge.latency is not None
        assert 0 <= edge.latency.p50_s <= edge.latency.p99_s <= edge.latency.max_s < 5
        assert edge.latency.count == sum(edge.accounts.values())
    assert report.latencies["map"].count > 0
    pools = {pool.name: pool for pool in report.pools}
    assert {"a", "b"} <= set(pools)
    assert all(pool.slots * pool.slot_bytes == pool.nbytes > 0 for pool in report.pools)
    processes = {process.name: process for process in report.processes}
    assert set(processes) == {"a", "b", "map-0", "map-1", "rows-0", "builder"}
    assert {processes[name].state for name in ("a", "b", "builder")} == {"processing"}
    assert all(process.private_bytes > 1 << 20 and process.pid for process in report.processes)
    assert {process.state for process in run.wait().processes} == {"stopped"}


def test_waiting_costs_nothing(tmp_path: Path) -> None:
    pipeline = Pipeline(
        name="idle",
        sources={name: Source(controlled.Waits) for name in "ab"},
        events={"scan": Join("a", "b", by="key")},
        stages={"map": Map(controlled.scaled, source="scan", workers=2), "rows": Reduce(controlled.Rows, source="map")},
    )
    with pipeline.start() as run:
        until(lambda: len(workers(run)) == 2 and run.statistics().edge("a", "scan").arrived == 1)
        pids = [process.pid for process in run.statistics().processes]
        before = sum(usage_of(pid).cpu_s for pid in pids) + time.process_time()
        time.sleep(2)  # nothing is waited for: it is how long one looks
        used = sum(usage_of(pid).cpu_s for pid in pids) + time.process_time() - before
        run.abort()
    assert used / 2 < 0.05


def test_workers_stay_where_they_are_put_and_are_one_thread_each() -> None:
    cpu = max(os.sched_getaffinity(0))
    stage = Map(controlled.place, source="scan", workers=2, cpus=[cpu])
    with scan(stage, n=200, reduce=controlled.Places).start() as run:
        assert run.wait(PATIENCE_S).outcome == "finished"
    assert run.views("rows") == {"cpus": [[cpu]], "threads": [["1", "1", "1"]]}


def _named(prefix: str) -> set[int]:
    """Return the processes of this name that were started from here, as the kernel knows them."""
    found = set()
    parents = {os.getpid()}
    for _ in range(2):  # the warmed process stands between
        lists = (Path(f"/proc/{pid}/task").glob("*/children") for pid in parents)
        parents = {int(pid) for paths in lists for path in paths for pid in path.read_text().split()}
    for pid in parents:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if Path(f"/proc/{pid}/comm").read_text().startswith(f"penstock: {prefix}"):
                found.add(pid)
    return found


OPEN = Pipeline(
    name="open",
    sources={name: Source(controlled.Paced, rate=4000, n=60) for name in "ab"},
    events={"scan": Join("a", "b", by=ByTriggerMap(open=True))},
    stages={"map": Map(controlled.both, source="scan", workers=2), "rows": Reduce(controlled.Weights, source="map")},
)
LINE = {"a": {"events": 20}, "b": {"events": 20}}


def test_what_came_before_its_map_waits_for_it_and_nothing_is_lost() -> None:
    with OPEN.start() as run:
        until(lambda: run.statistics().edge("a", "scan").arrived == 62)  # start and end too
        assert run.statistics().edge("a", "scan").accounts.get("joined", 0) <= 1
        assert run.extend("scan", {"parts": {"line": LINE}}) == 20
        until(lambda: done(run.statistics()) == 20)
        with pytest.raises(MapError, match=r"parts\.line: is there already"):
            run.extend("scan", {"parts": {"line": LINE}})
        with pytest.raises(ServiceError, match="there are scan"):
            run.extend("scam", LINE)
        assert run.extend("scan", {"sequence": ["line", "line"]}) == 60
        report = run.wait(PATIENCE_S)  # all streams have ended, and nothing waits: nothing more can come
    assert (report.outcome, report.adds_up) == ("finished", True)
    assert report.edge("a", "scan").accounts == {"joined": 62}
    assert run.views("rows")["rows"].array.tolist() == [2.0 * k for k in range(60)]
    with pytest.raises(StateError, match="ended"):
        run.extend("scan", LINE)


def test_a_stop_does_not_wait_for_the_rest_of_a_map() -> None:
    with OPEN.start() as run:
        run.extend("scan", LINE)
        until(lambda: run.statistics().edge("b", "scan").arrived == 62)
        run.stop()
        report = run.wait(PATIENCE_S)
    assert (report.outcome, report.adds_up) == ("aborted", True)
    assert report.edge("a", "scan").accounts == {"joined": 22, "discarded": 40}


def test_every_run_has_its_own_copy_of_a_map_that_grows() -> None:
    mine = read_map(LINE, is_open=True)
    for _ in range(2):
        with OPEN.start(trigger_maps={"scan": mine}) as run:
            assert run.extend("scan", {"sequence": ["main", "main"]}, last=True) == 60
            assert run.wait(PATIENCE_S).outcome == "finished"
    assert mine.length == 20
