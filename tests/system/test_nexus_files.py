"""NeXus files of whole pipelines: raw hits, views with them, the same of every engine, also of a writer that dies."""

import os
import signal
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from penstock.engines.local import LocalRun
from penstock.pipeline import Join, Map, Pipeline, Reduce, Sink, Source
from tests.system import deadly_code as code
from tests.system.file_code import find, is_hit, stumble
from tests.system.watching import PATIENCE_S

N = 600
HITS = [k for k in range(N) if is_hit(k) and k % 5 and k % 11]


def every_sink(folder: Path) -> dict[str, Sink]:
    return {
        "hits": Sink("nexus", source="a", where="find.is_hit", path=str(folder / "hits.nxs")),
        "both": Sink("nexus", source="scan", where="find.is_hit", path=str(folder / "both.nxs")),
        "found": Sink("nexus", source="find", where="find.is_hit", path=str(folder / "found.nxs")),
        "file": Sink("nexus", source="scan", path=str(folder / "all.nxs")),
        "views": Sink("nexus", source="arrays", when="end", path=str(folder / "all.nxs")),
    }


def pipeline(sinks: dict[str, Sink], *, pace_s: float = 0.0, gate: str = "") -> Pipeline:
    return Pipeline(
        name="hits",
        sources={
            "a": Source(code.Stored, n=N, block=20, pace_s=pace_s, gate=gate),
            "b": Source(code.Stored, n=N, block=33, pace_s=pace_s, gate=gate),
        },
        events={"scan": Join("a", "b", by="key")},
        stages={
            "find": Map(find, source="scan", workers=2),
            "map": Map(code.weigh, source="scan", spend_s=0.0, workers=1),
            "arrays": Reduce(code.Arrays, source="map"),
        },
        sinks=sinks,
    )


def test_whole_events_and_results_are_chosen_too(tmp_path: Path) -> None:
    report = pipeline(every_sink(tmp_path)).run(engine="inline")
    edges = {(edge.producer, edge.consumer): edge for edge in report.edges}
    assert edges["find", "found"].accounts["done"] == len(HITS)
    with h5py.File(tmp_path / "both.nxs") as file:
        assert file["entry/instrument/b/key"][()].tolist() == HITS
    with h5py.File(tmp_path / "found.nxs") as file:
        assert file["entry/find/event"][()].tolist() == HITS
        assert file["entry/find/is_hit"][()].tolist() == [1.0] * len(HITS)


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_hits_are_chosen_by_results(tmp_path: Path, engine: str) -> None:
    sinks = every_sink(tmp_path)
    report = pipeline({name: sinks[name] for name in ("hits", "file", "views")}).run(engine=engine)
    assert report.outcome == "finished", report.reasons
    edges = {(edge.producer, edge.consumer): edge for edge in report.edges}
    assert edges["scan", "hits"].accounts == {"done": len(HITS), "filtered": N - len(HITS)}
    assert all(edge.adds_up and not edge.in_flight for edge in report.edges)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.nxs", "hits.nxs"]
    assert report.outputs["hits"] == str(tmp_path / "hits.nxs")
    assert report.outputs["file"] == str(tmp_path / "all.nxs")
    with h5py.File(tmp_path / "hits.nxs") as file:
        group = file["entry/instrument/a"]
        assert group["key"][()].tolist() == HITS
        assert group["event"][()].tolist() == HITS
        assert "b" not in file["entry/instrument"]
    with h5py.File(tmp_path / "all.nxs") as file:
        assert file["entry/instrument/a/data"].shape[0] == N
        assert file["entry/total/total"].attrs["units"] == "counts"
        assert file["entry/penstock/ledger/producer"].asstr()[()].tolist().count("scan") >= 3


def test_the_writer_is_killed_and_nothing_is_missing_or_doubled(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sinks = {name: sink for name, sink in every_sink(tmp_path).items() if name in ("hits", "file")}
    running = LocalRun(pipeline(sinks, pace_s=0.01, gate=str(gate)).plan())
    running.open()
    until = time.monotonic() + PATIENCE_S
    killed: set[str] = set()
    while running.step():
        assert time.monotonic() < until
        pids = running.pids()
        done = {edge.consumer: edge.accounts.get("done", 0) for edge in running.report().edges}
        for name in ("hits", "file"):
            if name not in killed and done.get(name, 0) > N // 20 and name in pids:
                os.kill(pids[name], signal.SIGKILL)
                killed.add(name)
        if len(killed) == 2:
            gate.touch()
    report = running.finish()
    assert report.outcome == "finished", report.reasons
    with h5py.File(tmp_path / "all.nxs") as file:
        for stream in "ab":
            assert file[f"entry/instrument/{stream}/key"][()].tolist() == list(range(N))
            data = file[f"entry/instrument/{stream}/data"]
            assert (data[()] == np.stack([m.array for m in code.frames(list(range(N)))])).all()
    with h5py.File(tmp_path / "hits.nxs") as file:
        assert file["entry/instrument/a/key"][()].tolist() == HITS


def test_nothing_waits_for_the_results_of_a_stage_that_fails(tmp_path: Path) -> None:
    report = Pipeline(
        name="hits",
        sources={name: Source(code.Stored, n=N) for name in "ab"},
        events={"scan": Join("a", "b", by="key")},
        stages={"find": Map(stumble, source="scan", workers=2)},
        sinks={"hits": Sink("nexus", source="a", where="find.is_hit", path=str(tmp_path / "hits.nxs"))},
    ).run(engine="local")
    assert report.outcome == "failed"
    assert all(edge.adds_up and not edge.in_flight for edge in report.edges)
    with h5py.File(tmp_path / "hits.nxs") as file:
        assert file["entry/instrument/a/key"][()].tolist() == [k for k in range(300) if is_hit(k)]
        assert file.attrs["outcome"] == "failed"
