"""A replayed run has the views of the recorded one, byte for byte, on whichever engine either ran."""

import os
import signal
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import msgspec
import pytest

from penstock.core.stream_address import StreamAddress
from penstock.engines.inline import InlineRun
from penstock.errors import CheckError, ParameterError, StreamError
from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Merge, Pipeline, Reduce, Sink, Source
from penstock.services.recorded_run import RecordedRun
from penstock.streams.opened import opened_store
from penstock.streams.store import Store
from penstock.testing import engine_cases as cases
from tests.system import recorded_code as code
from tests.system.commands import started
from tests.system.recorded_runs import (
    STORE,
    pipeline,
    recorded,
    replayed,
    rows,
    run_inline,
    until,
    views,
)
from tests.system.watching import PATIENCE_S, ROOT

ENGINES = ("inline", "local")
JOINS = ("by-map", "by-order")


@pytest.mark.parametrize("faults", ["", code.FAULTS], ids=["fault-free", "faults"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_views_on_both_engines(engine: str, faults: str, tmp_path: Path) -> None:
    live: RunReport = pipeline(tmp_path, faults=faults).run(engine, run_id="live")
    assert live.adds_up
    assert live.outcome == ("incomplete" if faults else "finished"), live.reasons
    if faults:
        assert any(edge.accounts.get("unparsable") for edge in live.edges)
        assert any(edge.accounts.get("duplicate") or edge.accounts.get("late") for edge in live.edges)
    expected = views(live)
    assert len(expected) == 6
    with recorded(tmp_path, "live") as run:
        for other in ENGINES:
            again = replayed(pipeline(tmp_path), other, run)
            assert views(again) == expected
            assert (again.outcome, again.joins) == (live.outcome, live.joins)


@pytest.mark.parametrize("engine", ENGINES)
def test_merges_take_their_inputs_in_the_same_order(engine: str, tmp_path: Path) -> None:
    def source(instrument: str) -> Source:
        return Source(code.Faulty, instrument=instrument, rows=6, faults=code.FAULTS, pace_s=0.001, record=True)

    logs = ("messages", "events", "results")
    made = Pipeline(
        name="merged",
        beamtime="c1",
        sources={name: source(name) for name in ("stins", "pandabox", "xspress3")},
        events={
            "both": Merge("stins", "pandabox"),
            "scan": Join("both", "xspress3", by="order", wait_s=0.02),
            "worked": Merge("weigh", "measure"),
        },
        stages={
            "look": Map(code.of_message, source="both", workers=2),
            "weigh": Map(code.weight, source="pandabox"),
            "measure": Map(code.everything, source="scan", workers=2),
            "messages-log": Reduce(code.Log, source="look"),
            "events-log": Reduce(code.Log, source="measure"),
            "results-log": Reduce(code.Log, source="worked"),
        },
        sinks={name: Sink("hdf5", source=f"{name}-log", path=f"{{run}}-{name}.h5") for name in logs},
        folder=tmp_path,
    )
    live = made.run(engine, run_id="live")
    assert live.adds_up
    expected = views(live)
    assert all(len(rows(live, name)) > 20 for name in logs), live.reasons
    with recorded(tmp_path, "live") as run:
        turns = [turn.stream for turn in run.merged("both") if turn.count]
        assert sum(one != other for one, other in pairwise(turns)) > 2, "they were interleaved"
        for other in ENGINES:
            again = replayed(made, other, run)
            assert views(again) == expected, again.reasons
            assert again.edge("both", "look").accounts == live.edge("both", "look").accounts


def test_a_merge_that_was_not_recorded_is_refused(tmp_path: Path) -> None:
    def made(**events: Any) -> Pipeline:
        return Pipeline(
            name="merged",
            beamtime="c1",
            sources={name: Source(cases.Frames, n=5, record=True) for name in "abc"},
            events=events,
            stages={"ids": Reduce(cases.Table, source="m" if events else "a")},
            folder=tmp_path,
        )

    made(m=Merge("a", "b")).run("inline", run_id="live")
    with recorded(tmp_path, "live") as run:
        assert replayed(made(), "inline", run).outcome == "finished"
        with pytest.raises(CheckError, match=r"events\.m: in which order a, c were taken is not in"):
            replayed(made(m=Merge("a", "c")), "inline", run)


@pytest.mark.parametrize("engine", ENGINES)
def test_parameters_change_at_the_same_events(engine: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    made = pipeline(tmp_path, faults=code.FAULTS, gate=str(gate), pace_s=0.001)
    changes = [{"measure.gain": 2.0, "look.gain": 3.0}, {"weigh.gain": 5.0, "look.gain": 7.0}]

    def change(run: Any) -> None:
        for values in changes:
            run.set(values)
        gate.touch()

    if engine == "local":
        with made.start(run_id="live") as handle:
            until(lambda: all(join.formed > 10 for join in handle.statistics().joins.values()))
            change(handle)
            live = handle.wait(PATIENCE_S)
    else:

        def meanwhile(run: InlineRun) -> None:
            if not gate.exists() and all(join.formed > 10 for join in run.report().joins.values()):
                change(run)

        live = run_inline(made, meanwhile, run_id="live")
    expected = views(live)
    revisions = {row.split()[1] for row in rows(live, "points")[1:-1]}
    assert {"0", "2"} <= revisions <= {"0", "1", "2"}  # an event may be given up between the two
    with recorded(tmp_path, "live") as run:
        assert [change.values for change in run.changes] == changes
        for other in ENGINES:
            assert views(replayed(pipeline(tmp_path), other, run)) == expected
        given = replayed(pipeline(tmp_path), "inline", run, values={"weigh.gain": 1.0})
        found = views(given)
        assert found.pop("weights/sum") != expected["weights/sum"]
        assert found["points/rows"] == expected["points/rows"]
        with pytest.raises(ParameterError, match="no parameter"):
            replayed(pipeline(tmp_path), "inline", run, values={"nonsense": 1.0})


def test_a_worker_that_was_killed_changes_nothing(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    made = pipeline(tmp_path, faults=code.FAULTS, gate=str(gate))
    with made.start(run_id="live") as handle:
        until(lambda: handle.statistics().joins["by-map"].formed > 10)
        victims = [
            process for process in handle.statistics().processes if process.name in ("measure-0", "points-log-0")
        ]
        assert len(victims) == 2
        for victim in victims:
            os.kill(victim.pid, signal.SIGKILL)
        gate.touch()
        live = handle.wait(PATIENCE_S)
    assert sum(process.deaths for process in live.processes) == 2
    expected = views(live)
    with recorded(tmp_path, "live") as run:
        for other in ENGINES:
            assert views(replayed(pipeline(tmp_path), other, run)) == expected


def test_from_an_event_on_in_its_own_time_and_with_other_code(tmp_path: Path) -> None:
    made = pipeline(tmp_path)
    live = made.run("inline", run_id="live")
    without_messages = pipeline(tmp_path, has_messages=False)
    with recorded(tmp_path, "live", first=40) as run:
        with pytest.raises(CheckError, match="reads messages, which have no event numbers"):
            replayed(made, "inline", run)
        for engine in ENGINES:
            late = replayed(without_messages, engine, run)
            whole = rows(live, "points")
            assert rows(late, "points") == [whole[0], *whole[41:]]
    with recorded(tmp_path, "live") as run:
        simple = pipeline(tmp_path, map=Map(cases.number, source="by-map"), reduce=cases.Sum)
        other = replayed(simple, "local", run)
        with h5py.File(other.outputs["points"]) as file:
            assert file["sum"][()] == sum(range(60))
    with recorded(tmp_path, "live", speed=1000.0) as run:
        assert views(replayed(made, "local", run)) == views(live)


def test_a_run_is_recorded_once(tmp_path: Path) -> None:
    made = pipeline(tmp_path, rows=1)
    for engine in ENGINES:
        assert made.run(engine, run_id=engine).outcome == "finished"
        again = made.run(engine, run_id=engine)
        assert (again.outcome, again.exit_code) == ("failed", 1)
        assert f"run {engine} is recorded already, in c1/event.log/{engine}" in again.reasons[0]
        assert not any(edge.arrived for edge in again.edges)


def test_what_was_not_recorded_is_refused(tmp_path: Path) -> None:
    def made(*, is_recorded: bool) -> Pipeline:
        return Pipeline(
            name="half",
            sources={"a": Source(cases.Frames, n=5, record=True), "b": Source(cases.Frames, n=5, record=is_recorded)},
            events={"scan": Join("a", "b", by="order")},
            stages={"sum": Reduce(cases.Table, source="scan")},
            folder=tmp_path,
        )

    assert made(is_recorded=False).run("inline", run_id="half").outcome == "finished"
    with opened_store(STORE, tmp_path) as store:
        run = RecordedRun.read(store, "half")
        with pytest.raises(CheckError, match=r"sources\.b: it was not recorded in run half"):
            replayed(made(is_recorded=True), "inline", run)
        with pytest.raises(StreamError, match="no run none is recorded here; there are half"):
            RecordedRun.read(store, "none")


def test_a_recorder_that_was_killed_is_followed_by_another(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with pipeline(tmp_path, gate=str(gate)).start(run_id="live") as handle:
        until(lambda: handle.statistics().edge("stins", "stins.record").accounts.get("done", 0) > 20)
        os.kill(pid_of(handle, "stins.record"), signal.SIGKILL)
        gate.touch()
        live = handle.wait(PATIENCE_S)
    assert live.adds_up
    assert (live.outcome, live.exit_code) == ("finished", 0), live.reasons
    books = live.edge("stins", "stins.record")
    assert books.accounts == {"done": 62}
    assert any("was killed by SIGKILL" in remark and "nothing is missing" in remark for remark in books.remarks)
    with recorded(tmp_path, "live") as run:
        for engine in ENGINES:
            assert views(replayed(pipeline(tmp_path), engine, run)) == views(live)


def pid_of(handle: Any, name: str) -> int:
    """Return who runs now under a name; 0 if nobody does."""
    return next((each.pid for each in handle.statistics().processes if each.name == name), 0)


def test_a_recording_that_fails_ends_alone(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with pipeline(tmp_path, gate=str(gate)).start(run_id="live") as handle:
        until(lambda: handle.statistics().edge("stins", "stins.record").accounts.get("done", 0) > 20)
        killed: set[int] = set()

        def has_ended() -> bool:  # whoever follows is killed too
            found = pid_of(handle, "stins.record")
            if found and found not in killed:
                killed.add(found)
                with suppress(ProcessLookupError):
                    os.kill(found, signal.SIGKILL)
            remarks = handle.statistics().edge("stins", "stins.record").remarks
            return any("nothing is kept" in remark for remark in remarks)

        until(has_ended)
        gate.touch()
        live = handle.wait(PATIENCE_S)
    assert live.adds_up
    assert (live.outcome, live.exit_code) == ("failed", 1)
    assert "the recording of stins.record ends: stins.record (process" in live.reasons[0]
    books = live.edge("stins", "stins.record")
    assert books.accounts["dropped"] > 0
    assert "was killed by SIGKILL" in books.remarks[-1]
    assert live.joins["by-map"].formed == 60
    with recorded(tmp_path, "live") as run:
        for engine in ENGINES:
            again = replayed(pipeline(tmp_path), engine, run)
            assert again.outcome == "incomplete"
            assert "by-map: the recording ends before event" in "".join(again.reasons)
            whole, found = rows(live, "points"), rows(again, "points")
            assert found == whole[: len(found)]
            assert len(found) > 10


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("target", [code.Differences, code.Ranges])
def test_workers_that_remember_and_ranges_are_cut_as_they_were(target: Any, engine: str, tmp_path: Path) -> None:
    made = pipeline(tmp_path, map=Map(target, source="by-map", workers=2), rows=20)
    live = made.run(engine, run_id="live")
    assert live.outcome == "finished", live.reasons
    expected = views(live)
    if engine == "local":
        assert len({row.split()[2] for row in rows(live, "points")[1:-1]}) > 1
    with recorded(tmp_path, "live") as run:
        for other in ENGINES:
            assert views(replayed(made, other, run)) == expected
        assert not run.warnings(made.plan())


def formed_in(store: Store) -> int:
    """Return how many events of both joins are in the log of a run by now."""
    try:
        return min(sum(len(r.numbers) for r in RecordedRun.read(store, "live").join(j).records) for j in JOINS)
    except StreamError:
        return 0


def test_a_run_whose_supervisor_was_killed_is_replayed_up_to_there(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    text = pipeline(tmp_path, gate=str(gate)).to_yaml()
    (tmp_path / "pipeline.yaml").write_text(text)
    environ = {"PYTHONPATH": f"{ROOT}"}
    with started("run", "pipeline.yaml", "--run", "live", folder=tmp_path, environ=environ) as process:
        with opened_store(STORE, tmp_path) as store:
            until(lambda: all(store.info(StreamAddress("c1", s, "live")).count > 20 for s in ("stins", "pandabox")))
            until(lambda: formed_in(store) > 10)
        process.process.send_signal(signal.SIGKILL)
        process.end()
    gate.touch()
    shown = started("replay", "--list", folder=tmp_path, environ=environ)
    with shown as listed:
        assert "c1  live" in (said := listed.end()).out
        assert "cut off  recorded: stins, pandabox, xspress3" in said.out
    found = []
    for engine in ENGINES:
        report = tmp_path / "report.json"
        words = ("replay", "live", "--engine", engine, "--report", str(report), "--run", f"again-{engine}")
        with started(*words, folder=tmp_path, environ=environ) as process:
            said = process.end(report)
        assert said.code == 3, said.text
        assert "run live is replayed up to where it was recorded: its event log has no end" in said.err
        assert any("by-map: the recording ends" in reason for reason in said.report["reasons"])
        again = msgspec.convert(said.report, RunReport)
        assert 10 < again.joins["by-map"].formed < 60
        found.append(views(again))
    assert found[0] == found[1]
    assert found[0]["points/rows"]


def test_the_views_of_a_replay_can_be_looked_at_when_it_has_ended(tmp_path: Path) -> None:
    h5pyd = pytest.importorskip("h5pyd", reason="h5pyd is needed: ./dev setup installs it")
    live: RunReport = pipeline(tmp_path, rows=2).run("inline", run_id="live")
    (tmp_path / "pipeline.yaml").write_text(pipeline(tmp_path, rows=2).to_yaml())
    words = ("replay", "live", "--pipeline", "pipeline.yaml", "--run", "again", "--serve", "0", "--stay")
    with started(*words, folder=tmp_path, environ={"PYTHONPATH": f"{ROOT}"}) as process:
        address = process.line("the views stay at ").split()[4]
        with h5py.File(live.outputs["points"]) as saved, h5pyd.File("/points-log", "r", endpoint=address) as shown:
            assert set(shown) == set(saved)
            for name, dataset in saved.items():
                assert shown[name].dtype == dataset.dtype
                assert shown[name][()].tolist() == dataset[()].tolist()
        process.process.send_signal(signal.SIGINT)
        said = process.end()
    assert said.code == 0, said.text


def test_mistakes_of_the_command_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with opened_store(STORE, tmp_path) as store:
        store.make()
    for words, says in (
        (["r", "--store", "nowhere"], "--store: nowhere is no folder"),
        (["r", "--store", "empty"], f"--store: {empty} holds no store"),
        ([], "RUN: which run; `penstock replay --list` shows them"),
        (["r"], "RUN: no run r is recorded here; there is none"),
        (["r", "--stay"], "--stay: there is nothing to be seen; add --serve 8400"),
    ):
        with started("replay", *words, folder=tmp_path) as process:
            said = process.end()
        assert said.code == 2, said.text
        assert says in said.err
    assert not list(empty.iterdir())
