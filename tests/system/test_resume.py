"""A recorded run that was cut off by a kill goes on, and what it shows in the end is what its replay shows."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from penstock.core.log_records import LogRecord, ParametersSet, RunResumed
from penstock.core.stream_address import StreamAddress
from penstock.errors import CheckError, StateError
from penstock.formats.event_log import EventLogReader
from penstock.monitor.report import RunReport
from penstock.pipeline import Map, Pipeline, Sink
from penstock.services.recorded_run import RecordedRun
from penstock.services.recording import log_address
from penstock.streams.opened import opened_store
from penstock.streams.store import StreamInfo, StreamState
from tests.system import recorded_code as code
from tests.system.commands import Said, started
from tests.system.recorded_runs import STORE, pipeline, recorded, replayed, rows, until, views
from tests.system.watching import PATIENCE_S, ROOT

pytestmark = pytest.mark.timeout(180)  # several programs one after the other, each of several processes

ENGINES = ("inline", "local")
ENVIRON = {"PYTHONPATH": f"{ROOT}"}
LOG = log_address("c1", "live")
R = TypeVar("R", bound=LogRecord)


def kept(folder: Path, source: str) -> int:
    with opened_store(STORE, folder) as store:
        return store.info(StreamAddress("c1", source, "live")).count


def is_let_go(folder: Path) -> bool:
    """Whether nobody writes the event log any more: the kernel takes a moment to end all processes of a program."""
    with opened_store(STORE, folder) as store:
        addresses = [LOG, *(StreamAddress("c1", source, "live") for source in ("stins", "pandabox", "xspress3"))]
        infos = [store.info(address) for address in addresses]
        return all(info.state is not StreamState.OPEN or not info.count for info in infos)


def killed(folder: Path, *words: str, when: Callable[[], bool]) -> Said:
    """Run a command, kill it when something is so, unless it has ended before; return how it ended."""
    report = folder / "report.json"
    with started(*words, "--report", str(report), folder=folder, environ=ENVIRON) as process:
        until(lambda: process.process.poll() is not None or when())
        process.process.send_signal(signal.SIGKILL)
        said = process.end(report)
    until(lambda: is_let_go(folder))
    return said


def finished(folder: Path, *words: str) -> RunReport:
    """Run a command to its end; its books add up."""
    report = folder / "report.json"
    with started(*words, "--report", str(report), folder=folder, environ=ENVIRON) as process:
        said = process.end(report)
    assert said.report, said.text
    found = msgspec.convert(said.report, RunReport)
    assert found.adds_up
    return found


def replays_agree(folder: Path, expected: RunReport, made: Pipeline) -> None:
    for engine in ENGINES:
        with recorded(folder, "live") as run:
            assert run.cut_off == ""
            assert views(replayed(made, engine, run)) == views(expected)


@pytest.mark.parametrize(
    ("source", "faults"), [(code.Again, ""), (code.Again, code.FAULTS), (code.Waiting, code.FAULTS)],
    ids=["repeatable", "repeatable-faults", "waiting-faults"],
)  # fmt: skip
@pytest.mark.parametrize("engine", ENGINES)
def test_killed_at_random_it_goes_on(engine: str, source: Any, faults: str, tmp_path: Path) -> None:
    dice = random.Random(f"{engine} {source.__name__} {faults}")
    made = pipeline(tmp_path, faults=faults, pace_s=0.01, source=source)
    (tmp_path / "pipeline.yaml").write_text(made.to_yaml())
    words = ["run", "pipeline.yaml", "--run", "live"]
    kills = 0
    for _ in range(2):
        wanted, wait_s = dice.randint(1, 50), dice.random() * 0.2
        reached: list[float] = []

        def when(wanted: int = wanted, wait_s: float = wait_s, reached: list[float] = reached) -> bool:
            if not reached and all(kept(tmp_path, name) >= wanted for name in ("stins", "pandabox", "xspress3")):
                reached.append(time.monotonic())
            return bool(reached) and time.monotonic() - reached[0] >= wait_s

        said = killed(tmp_path, *words, "--engine", engine, when=when)
        if said.code != -signal.SIGKILL:
            break
        kills += 1
        words = ["resume", "live"]
    assert kills, "it was never killed in time"
    with opened_store(STORE, tmp_path) as store:
        is_cut_off = bool(RecordedRun.read(store, "live").cut_off)
    if not is_cut_off and not said.report:  # killed when all was done, but for saying so
        return
    report = finished(tmp_path, *words, "--engine", engine) if is_cut_off else msgspec.convert(said.report, RunReport)
    outputs = {name: str(tmp_path / path) for name, path in report.outputs.items()}
    report = msgspec.structs.replace(report, outputs=outputs)
    assert set(report.outputs) == {"points", "spectra", "weights"}, report.reasons
    assert {Path(path).name for path in report.outputs.values()} == {f"live-{name}.h5" for name in report.outputs}
    replays_agree(tmp_path, report, pipeline(tmp_path))
    if not faults:
        assert report.outcome == "finished", report.reasons
        whole = pipeline(tmp_path).run("inline", run_id="whole")
        sums = {name: value for name, value in views(whole).items() if name.endswith("/sum")}
        assert {name: views(report)[name] for name in sums} == sums  # all but when something was read
        assert [edge.accounts for edge in report.edges] == [edge.accounts for edge in whole.edges]


def lost_builder(made: Pipeline, folder: Path, meanwhile: Callable[[Any], None] = lambda _: None) -> RunReport:
    """Start a run, and kill its event builder in the midst."""
    with made.start(run_id="live") as handle:
        until(lambda: all(join.formed > 10 for join in handle.statistics().joins.values()))
        meanwhile(handle)
        until(lambda: all(kept(folder, source) > 20 for source in ("stins", "pandabox", "xspress3")))
        (builder,) = (each for each in handle.statistics().processes if each.name == "builder")
        os.kill(builder.pid, signal.SIGKILL)
        report: RunReport = handle.wait(PATIENCE_S)
    assert "`penstock resume live` goes on with the run" in report.reasons[0]
    return report


@pytest.mark.parametrize("engine", ENGINES)
def test_after_its_event_builder_was_killed_parameters_and_memories_come_again(engine: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    worker = Map(code.Differences, source="by-map", workers=2)
    made = pipeline(tmp_path, gate=str(gate), pace_s=0.001, source=code.Again, map=worker)

    def change(handle: Any) -> None:
        handle.set({"weigh.gain": 2.0})
        until(lambda: bool(logged(tmp_path, ParametersSet)[1:]))  # the last 0.05 s of a log may be lost

    lost_builder(made, tmp_path, change)
    gate.touch()
    with recorded(tmp_path, "live") as run:
        if engine == "inline":
            report = made.run("inline", resume=run)
        else:
            with made.start(resume=run) as handle:
                handle.set({"weigh.gain": 3.0, "look.gain": 4.0})
                report = handle.wait(PATIENCE_S)
    assert (report.outcome, report.run) == ("finished", "live"), report.reasons
    assert len(rows(report, "points")) == 62
    with recorded(tmp_path, "live") as run:
        assert [change.revision for change in run.changes] == [1, 2][: 1 if engine == "inline" else 2]
        assert not run.warnings(made.plan())
    replays_agree(tmp_path, report, made)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_an_instrument_sent_in_between_is_a_gap_that_is_seen(engine: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    made = pipeline(tmp_path, gate=str(gate), source=code.Waiting)
    lost_builder(made, tmp_path)
    for name in ("stins", "pandabox", "xspress3"):  # it went on for 5 packets while nobody read it
        mark = tmp_path / f"{name}.mark"
        mark.write_text(str(int(mark.read_text()) + 5))
    gate.touch()
    with recorded(tmp_path, "live") as run:
        report = made.run(engine, resume=run)
    assert report.outcome == "incomplete"
    for name in ("stins", "pandabox", "xspress3"):
        missing = f"{name} is read again behind message {kept_before(tmp_path)[name]}: what it sent while the run was"
        assert any(reason.startswith(missing) for reason in report.reasons), report.reasons
    assert sum(edge.counters.get("gaps", 0) for edge in report.edges) >= 10
    replays_agree(tmp_path, report, pipeline(tmp_path))


def resumed_at(folder: Path) -> RunResumed:
    """Return where a run went on, as its log says."""
    (found,) = logged(folder, RunResumed)
    return found


def logged(folder: Path, kind: type[R]) -> list[R]:
    """Return the records of one kind that are in the log by now."""
    with opened_store(STORE, folder) as store, store.read(LOG) as reader:
        data = b"".join(m.array.tobytes() for stored in reader.blocks() for m in stored.block.messages())
    return [record for record in EventLogReader(data) if isinstance(record, kind)]


def kept_before(folder: Path) -> Any:
    return resumed_at(folder).last_ids


def test_events_whose_messages_were_not_kept_are_formed_anew(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    made = pipeline(tmp_path, gate=str(gate), source=code.Again)
    with made.start(run_id="live") as handle:
        until(lambda: kept(tmp_path, "stins") > 0)
        (recorder,) = (each for each in handle.statistics().processes if each.name == "stins.record")
        os.kill(recorder.pid, signal.SIGSTOP)
        until(lambda: all(join.formed > 20 for join in handle.statistics().joins.values()))
        time.sleep(0.2)  # the log is written within 0.05 s
        processes = handle.statistics().processes
        for each in sorted(processes, key=lambda each: each.name not in ("builder", "stins.record")):
            os.kill(each.pid, signal.SIGKILL)
        handle.wait(PATIENCE_S)
    until(lambda: is_let_go(tmp_path))
    gate.touch()
    with recorded(tmp_path, "live") as run:
        formed_before = sum(len(record.numbers) for record in run.formed if record.join == "by-map")
        report = made.run("local", resume=run)
    assert report.outcome == "finished", report.reasons
    assert resumed_at(tmp_path).joins["by-map"] < formed_before
    assert len(rows(report, "points")) == 62
    replays_agree(tmp_path, report, pipeline(tmp_path))


def test_what_cannot_be_resumed_is_refused(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    made = pipeline(tmp_path, gate=str(gate), source=code.Again)
    (tmp_path / "pipeline.yaml").write_text(text := made.to_yaml())

    def refused(*words: str) -> str:
        with started("resume", *words, folder=tmp_path, environ=ENVIRON) as process:
            said = process.end()
        assert said.code == 2, said.text
        return said.err

    with started("run", "pipeline.yaml", "--run", "live", folder=tmp_path, environ=ENVIRON) as process:
        until(lambda: kept(tmp_path, "stins") > 20)
        until(lambda: has_formed(tmp_path))
        assert "run live is running: somebody writes its event log" in refused("live")
        process.process.send_signal(signal.SIGKILL)
        process.end()
    until(lambda: is_let_go(tmp_path))
    gate.touch()
    with started("resume", "--list", folder=tmp_path, environ=ENVIRON) as process:
        assert process.end().out.startswith("c1  live  ")
    assert "no run none is recorded here; there are live" in refused("none")
    assert "which run; `penstock resume --list` shows them" in refused()
    (tmp_path / "other.yaml").write_text(
        text.replace("wait_s: 25.0", "wait_s: 24.0").replace("store:", "serve: 8400\nstore:")
    )
    said = refused("live", "--pipeline", "other.yaml")
    assert "events.by-map.wait_s: is not as it was when the run began" in said
    assert "or add --anyway" in said
    assert "serve" not in said
    tree = Pipeline.load(tmp_path / "pipeline.yaml").tree
    more = Pipeline(**{**tree, "sources": {**tree["sources"], "more": tree["sources"]["stins"]}}, folder=tmp_path)
    with recorded(tmp_path, "live") as run, pytest.raises(CheckError, match=r"sources\.more: it was not recorded"):
        more.run("inline", resume=run)
    (tmp_path / "moved.yaml").write_text(text.replace("beamtime: c1", "beamtime: c2"))
    said = refused("live", "--pipeline", "moved.yaml", "--anyway")
    assert "sources.stins: would be recorded in c2/stins/live; so far it was in c1/stins/live" in said
    with recorded(tmp_path, "live") as run, pytest.raises(StateError, match="leave event_log out"):
        made.run("inline", resume=run, event_log=tmp_path / "log")
    report = finished(tmp_path, "resume", "live", "--pipeline", "other.yaml", "--anyway", "--engine", "inline")
    assert report.outcome == "finished"
    assert "run live has ended, finished: there is nothing to resume; replay it" in refused("live")
    with started("resume", "--list", folder=tmp_path, environ=ENVIRON) as process:
        assert process.end().out == "no run that is recorded here was cut off\n"
    with recorded(tmp_path, "live") as run, pytest.raises(StateError, match="has ended, finished"):
        made.run("inline", resume=run)


def has_formed(folder: Path) -> bool:
    with opened_store(STORE, folder) as store:
        try:
            return bool(RecordedRun.read(store, "live").formed)
        except Exception:  # noqa: BLE001 - nothing is in the log yet
            return False


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_given_to_streams_is_there_once_when_the_run_goes_on(engine: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    worker = Map(code.everything, source="by-map", workers=2, record=True)
    out = {"out": Sink("stream", source="look")}
    made = pipeline(tmp_path, gate=str(gate), pace_s=0.001, source=code.Again, map=worker, sinks=out)
    addresses = [StreamAddress("c1", name, "live") for name in ("measure", "out")]

    def infos() -> list[StreamInfo]:
        with opened_store(STORE, tmp_path) as store:
            return [store.info(address) for address in addresses]

    lost_builder(made, tmp_path, lambda _: until(lambda: all(info.count for info in infos())))
    until(lambda: [info.state for info in infos()] == [StreamState.STALLED] * 2)
    gate.touch()
    with recorded(tmp_path, "live") as run:
        report = made.run(engine, resume=run)
    assert report.outcome == "finished", report.reasons
    assert [info.state for info in infos()] == [StreamState.FINISHED] * 2
    with opened_store(STORE, tmp_path) as store:
        for address in addresses:
            with store.read(address) as reader:
                assert reader.ids().tolist() == list(range(1, 61))
