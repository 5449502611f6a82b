"""Events that are kept while a pipeline runs, seen by every door; whoever keeps them is stopped, and killed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from penstock.client import Connection, connect
from penstock.core.event import Event
from penstock.errors import SelectionError, ServiceError
from penstock.formats.ingester_dump import DumpReader
from penstock.pipeline import Join, Map, Pipeline, Source
from tests.system import kept_code
from tests.system.commands import LONGEST_S, ended, started

N = kept_code.N
ROOT = Path(__file__).parents[2]
FILE = """\
name: looked-at
sources:
  camera: {use: "tests.system.kept_code:camera", gate: GATE}
  motor: {use: "tests.system.kept_code:motor", gate: GATE}
events:
  scan: {join: [camera, motor], by: order, wait_s: 30}
stages:
  work: {from: scan, map: "tests.system.kept_code:key_of"}
  last: {from: scan, map: {keep-events: {n: 20}}, prefetch: 2}
"""


def until(found: Callable[[], Any]) -> Any:
    end_s = time.monotonic() + LONGEST_S
    while not (result := found()):
        assert time.monotonic() < end_s, "it has not come"
        time.sleep(0.02)
    return result


def numbers(connection: Connection) -> list[int]:
    return list(connection.keepers["last"]["numbers"])


def books(connection: Connection, consumer: str) -> dict[str, Any]:
    return next(edge for edge in connection.status["edges"] if edge["consumer"] == consumer)


def assert_as_sent(event: Event) -> None:
    k = event.number
    camera = event["camera"]
    assert (camera.key, camera.metadata, camera.array.dtype) == (k, {"k": k, "texts": ["a"]}, np.uint16)
    assert np.array_equal(camera.array, kept_code.image(k))
    assert len(camera.encodings) == (k % 2)  # every other one came compressed
    assert event["motor"] is None or np.array_equal(event["motor"].array, [k / 10])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Connection]:
    (tmp_path / "p.yaml").write_text(FILE.replace("GATE", str(tmp_path / "gate")))
    words = ("run", "p.yaml", "--serve", "0", "--stay")
    with started(*words, folder=tmp_path, environ={"PYTHONPATH": str(ROOT)}) as process:
        with connect(process.line("views:").split()[1]) as connection:
            yield connection
        process.process.send_signal(signal.SIGINT)
        process.end()


def test_events_are_seen_whoever_keeps_them_is_stopped_and_killed_and_nobody_waits(
    running: Connection, tmp_path: Path
) -> None:
    until(lambda: numbers(running)[-1:] == [N - 1])
    for event in running.events():
        assert_as_sent(event)
    assert [event.number for event in running.events("last", last=3)] == numbers(running)[-3:]
    (one,) = running.events(number=N - 1)
    assert one.number == N - 1
    assert [event.number for event in running.events(max_bytes=20_000)] == [N - 1]  # compressed, it has less

    # It stands still, and half as much again as there is memory for comes through.
    keeper = next(each["pid"] for each in running.status["processes"] if each["name"] == "last-0")
    os.kill(keeper, signal.SIGSTOP)
    (tmp_path / "gate").touch()
    until(lambda: books(running, "work")["accounts"].get("done") == 2 * N)
    assert numbers(running)[-1] < 2 * N - 1
    assert_as_sent(running.events()[-1])  # what was kept can be had all the same
    os.kill(keeper, signal.SIGKILL)

    until(lambda: running.status["outcome"] != "running")
    assert numbers(running)[-1] == 2 * N - 1  # a successor goes on, and the newest is never given up
    last = books(running, "last")
    assert last["accounts"]["filtered"] + last["accounts"]["discarded"] == last["arrived"] == 2 * N
    assert last["accounts"]["discarded"] > 0
    assert "failed" not in books(running, "work")["accounts"]
    assert running.events()[-1]["motor"] is None  # it sent fewer
    show_and_save(running, tmp_path)


def show_and_save(running: Connection, folder: Path) -> None:
    said = ended("events", running.address, "--event", str(2 * N - 1), folder=folder)
    assert said.code == 0, said.text
    lines = said.out.splitlines()
    assert lines[0] == f"event {2 * N - 1}"
    assert lines[-1] == "  motor: absent"
    assert f"uint16 {list(kept_code.image(0).shape)}, " in said.out
    assert "bytes of zstd" in said.out
    for name in ("kept.h5", "kept.cbors"):
        said = ended("events", running.address, "--save", name, folder=folder)
        assert said.code == 0, said.text
    there = sorted(set(numbers(running)))
    with h5py.File(folder / "kept.h5") as file:
        assert sorted(map(int, file["events"])) == there
        assert np.array_equal(file[f"events/{there[-1]}/camera/array"][()], kept_code.image(there[-1]))
        assert file[f"events/{there[-1]}/camera"].attrs["key"] == there[-1]
    *_, dumped = DumpReader().feed((folder / "kept.cbors").read_bytes())
    assert (dumped.number, list(dumped.streams)) == (there[-1], ["camera"])
    said = ended("events", running.address, "--event", str(2 * N), folder=folder)
    assert said.code == 1
    assert f"event {2 * N} is not kept; there are {there[0]} to {there[-1]}" in said.err
    with pytest.raises(ServiceError, match="no stage 'work' keeps events; there are last"):
        running.events("work")


def test_of_a_handle_events_can_be_had_after_the_end_by_stage(tmp_path: Path) -> None:
    gate = str(tmp_path / "gate")
    (tmp_path / "gate").touch()
    pipeline = Pipeline(
        sources={name: Source(f"tests.system.kept_code:{name}", gate=gate) for name in ("camera", "motor")},
        events={"scan": Join("camera", "motor", by="order", wait_s=30)},
        stages={"all": Map("keep-events", source="scan"), "bare": Map("keep-events", source="motor")},
        folder=ROOT,
    )
    run = pipeline.start("local")
    run.wait(LONGEST_S)
    with pytest.raises(SelectionError, match="several stages keep events: bare, all; say which one"):
        run.events()
    assert [event.number for event in run.events("all", last=2)] == [2 * N - 2, 2 * N - 1]
    assert_as_sent(run.events("all", number=2 * N - 1)[0])
    bare = run.events("bare")[-1]
    assert (bare.names, bare.number, bare["message"].array.tolist()) == (("message",), 2 * N - 5, [(2 * N - 6) / 10])
