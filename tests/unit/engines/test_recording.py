"""Recording is beside the run: a store without room costs the recording, and nothing else."""

from pathlib import Path

from penstock.pipeline import Pipeline, Reduce, Sink, Source
from penstock.services.recorded_run import RecordedRun, run_lines
from penstock.services.recording import log_address
from penstock.streams.memory_store import MemoryStore
from penstock.testing import engine_cases as cases


def pipeline(folder: Path, block: int) -> Pipeline:
    return Pipeline(
        name="recorded",
        sources={"a": Source(cases.Frames, n=1000, block=block, record={"as": "camera"})},
        stages={"table": Reduce(cases.Table, source="a")},
        sinks={"file": Sink("hdf5", source="table", path="{run}.h5")},
        folder=folder,
    )


def test_a_store_without_room_costs_the_recording_alone(tmp_path: Path) -> None:
    store = MemoryStore(most_bytes=20_000)
    report = pipeline(tmp_path, block=1000).run("inline", store=store, run_id="r1")
    assert report.adds_up
    assert (report.outcome, report.exit_code) == ("failed", 1)
    assert "camera: the recording ends before message 2: " in report.reasons[0]
    books = report.edge("a", "a.record")
    assert books.accounts == {"done": 1, "dropped": 1001}
    assert "the recording ends before message 2" in books.remarks[0]
    assert report.edge("a", "table").accounts == {"done": 1002}


def test_what_is_kept_with_a_run(tmp_path: Path) -> None:
    store = MemoryStore()
    report = pipeline(tmp_path, block=10).run("inline", store=store, run_id="r1")
    assert report.outcome == "finished"
    (line,) = run_lines(store)
    assert (line["beamtime"], line["run"], line["outcome"]) == ("recorded", "r1", "finished")
    assert line["sources"] == {"a": "recorded/camera/r1"}
    run = RecordedRun.read(store, "r1")
    assert set(run.about["packages"]) >= {"numpy", "penstock"}
    text, folder = run.pipeline_text()
    again = Pipeline.recorded(text, folder)
    assert again.plan().sources["a"].record == "camera"
    assert folder == tmp_path.resolve()
    replayed = again.run("inline", replay=run)
    assert replayed.edge("a", "table").accounts == {"done": 1002}
    assert [edge.consumer for edge in replayed.edges] == ["a", "table"]


def test_a_run_whose_log_is_still_empty_goes_on() -> None:
    store = MemoryStore()
    with store.write(log_address("recorded", "r1")) as writer:
        assert [line["outcome"] for line in run_lines(store)] == ["running"]
        writer.abort("its disk is full")
    assert [line["outcome"] for line in run_lines(store)] == ["cut off"]
