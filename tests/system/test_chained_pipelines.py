"""Pipelines in processes of their own that know nothing of each other but the name of a stream."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from msgspec.structs import replace

from penstock.core import Block, Message
from penstock.core.stream_address import StreamAddress
from penstock.elements.value_message import message_of
from penstock.pipeline import Join, Map, Pipeline, Reduce, Sink, Source
from penstock.streams.membership import GroupStore
from penstock.streams.opened import opened_store
from penstock.streams.store import Store, StreamState
from tests.system import chained_code, deadly_code, local_runs
from tests.system.commands import Process, ended, started
from tests.system.local_runs import Hits
from tests.system.recorded_runs import until
from tests.system.watching import ROOT, descendants, rounds

pytestmark = pytest.mark.usefixtures("nothing_left_open")

CODE = "tests.system.chained_code"
ENVIRON = {"PYTHONPATH": str(ROOT)}
N = 400


@pytest.fixture
def nothing_left_open(tmp_path: Path) -> Iterator[None]:
    """See that no process works in the test's folder when it ends."""
    yield
    until(lambda: not _working_in(tmp_path))


def _working_in(folder: Path) -> list[int]:
    """Return the processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has gone, or is another's; one that has died has no folder
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


def first(store: str, *, gate: str = "", extra: str = "") -> str:
    return f"""\
name: first
beamtime: c1
store: "{store}"
sources:
  numbers: {{use: "{CODE}:Numbers", n: {N}, gate: "{gate}"}}
events:
  single: {{join: [numbers], by: order}}
stages:
  squared: {{from: single, map: "{CODE}:of_event", workers: 2, record: true}}
sinks:
  out: {{use: stream, from: squared, address: "c1/squares", id: id}}
{extra}"""


def second(store: str, *, source: str = "", sink: str = "", roots: str = "all", spend_s: float = 0.0) -> str:
    return f"""\
name: second
beamtime: c1
store: "{store}"
sources:
  squares: {{use: stream, address: c1/squares/live{source}}}
stages:
  rooted: {{from: squares, map: {{"{CODE}:rooted": {{spend_s: {spend_s}}}}}, workers: 2}}
  sums: {{from: rooted, reduce: "{CODE}:Roots"}}
sinks:
  file: {{use: hdf5, from: sums, path: "roots.h5"}}
  roots: {{use: stream, from: rooted, address: "c1/roots/{roots}", id: id{sink}}}
"""


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)


def run(folder: Path, name: str, *words: str) -> tuple[str, ...]:
    return "run", f"{name}.yaml", "--quiet", "--report", str(folder / f"{name}.json"), *words


def state(store: Store, address: str) -> tuple[StreamState, int]:
    info = store.info(StreamAddress.parse(address))
    return info.state, info.count


def assert_roots(store: Store, address: str = "c1/roots/all") -> None:
    """Each number is there once, with its root."""
    with store.read(StreamAddress.parse(address)) as reader:
        found = {message.id: message for stored in reader.blocks() for message in stored.messages()}
        assert reader.info.count == N
    assert sorted(found) == list(range(1, N + 1))
    for number, message in found.items():
        assert message.array.dtype == np.float64
        assert (message.array == number).all()
        assert message.metadata["name"] == f"n{number}"


@pytest.fixture(params=["folder", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a store: a folder, or a server that wants a token."""
    if request.param == "folder":
        yield "streams"
        return
    (tmp_path / "secret").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "secret").chmod(0o600)
    issued = ended(
        "token", "issue", "--scope", "read:c1", "--scope", "write:c1", "--secret-file", "secret", "--json",
        folder=tmp_path,
    )  # fmt: skip
    monkeypatch.setenv("PENSTOCK_STREAMS_TOKEN", json.loads(issued.out)["token"])
    words = ("serve", "--store", "streams", "--listen", "0", "--secret-file", "secret", "--json")
    with started(*words, folder=tmp_path) as server:
        yield json.loads(server.line("{"))["address"]


@pytest.mark.parametrize(
    ("store", "engine"), [("folder", "local"), ("server", "local"), ("folder", "inline")], indirect=["store"]
)
def test_one_follows_what_the_other_writes(store: str, engine: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    write(tmp_path, first=first(store, gate=str(gate)), second=second(store))
    words = "--engine", engine
    with (
        started(*run(tmp_path, "second", "--run", "s", *words), folder=tmp_path, environ=ENVIRON) as following,
        started(*run(tmp_path, "first", "--run", "live", *words), folder=tmp_path, environ=ENVIRON) as leading,
        opened_store(store, tmp_path) as opened,
    ):
        # Half of it has passed through both while the first still waits for its instrument.
        until(lambda: state(opened, "c1/roots/all")[1] == N // 2)
        assert state(opened, "c1/squares/live") == (StreamState.OPEN, N // 2)
        gate.touch()
        said = leading.end(tmp_path / "first.json")
        assert (said.code, said.report["reasons"]) == (0, []), said.text
        assert said.edge("squared", "out") == said.edge("squared", "squared.record") == {"in": N, "done": N}
        said = following.end(tmp_path / "second.json")
        assert (said.code, said.report["reasons"]) == (0, []), said.text
        assert said.edge("squares", "rooted") == said.edge("rooted", "roots") == {"in": N, "done": N}
        for address in ("c1/squares/live", "c1/squared/live", "c1/roots/all"):
            assert state(opened, address) == (StreamState.FINISHED, N)
        assert_roots(opened)
    with h5py.File(tmp_path / "roots.h5") as file:
        assert (file["n"][()], file["sum"][()]) == (N, 6 * N * (N + 1) / 2)


def test_what_one_fails_on_ends_the_other_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path, first=first("streams").replace(":of_event", ":broken"), second=second("streams"))
    with started(*run(tmp_path, "second"), folder=tmp_path, environ=ENVIRON) as following:
        said = ended(*run(tmp_path, "first", "--run", "live"), folder=tmp_path, environ=ENVIRON)
        assert said.code == 1
        said = following.end(tmp_path / "second.json")
    assert said.code == 3
    (reason,) = said.report["reasons"]
    assert reason.startswith("squares: c1/squares/live: its producer gave up: run live failed: stage squared, event ")
    assert "RuntimeError: nothing is known of event" in reason


def test_a_member_of_a_group_that_is_killed_loses_nothing_and_the_next_run_goes_on(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    write(tmp_path, first=first(store))
    assert ended(*run(tmp_path, "first", "--run", "live"), folder=tmp_path, environ=ENVIRON).code == 0
    with opened_store(store, tmp_path) as opened:
        assert isinstance(opened, GroupStore)
        for number, dice in enumerate(rounds(request, 1, many=25)):
            group, roots = f", group: g{number}, lease_s: 0.5", f"c1/roots/{number}"
            slow = second(store, source=group, sink=", ends: false", roots=str(number), spend_s=0.002)
            write(tmp_path, second=slow)
            for kill in range(2):
                with started(*run(tmp_path, "second"), folder=tmp_path, environ=ENVIRON) as process:
                    until(partial(_got_on, process, opened, roots, state(opened, roots)[1]))
                    time.sleep(dice.uniform(0, 0.05))
                    _kill(process, dice, all_at_once=not kill)
                if not kill:
                    assert 0 < state(opened, roots)[1] < N
            said = ended(*run(tmp_path, "second"), folder=tmp_path, environ=ENVIRON)
            assert said.code == 0, said.text
            assert_roots(opened, roots)
            report = opened.group_report(StreamAddress.parse("c1/squares/live"), f"g{number}")
            assert report is not None
            assert (report.snapshot.settled, report.snapshot.lag) == (N, 0)


def _got_on(process: Process, store: Store, address: str, before: int) -> bool:
    """Whether more is there than before, or no more will come."""
    return state(store, address)[1] > before or process.process.poll() is not None


def _kill(process: Process, dice: random.Random, *, all_at_once: bool) -> None:
    """Kill a pipeline: everybody of it, or the supervisor alone, with which the others end by themselves."""
    pid = process.process.pid
    family = [pid, *descendants(pid)] if all_at_once else [pid]
    dice.shuffle(family)
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("engine", ["local", "inline"])
def test_what_cannot_be_stored_fails_a_sink_at_once_and_a_recording_at_the_end(engine: str, tmp_path: Path) -> None:
    def made(*, is_recorded: bool) -> Pipeline:
        sinks = {"file": Sink("hdf5", source="count", path="{run}.h5")}
        if not is_recorded:
            sinks["it"] = Sink("stream", source="odd")
        return Pipeline(
            name="unstorable",
            beamtime="c1",
            store="streams",
            sources={"numbers": Source(chained_code.Numbers, n=N)},
            stages={
                "odd": Map(
                    chained_code.hardly_stored,
                    source="numbers",
                    key=201,
                    record={"as": "it"} if is_recorded else None,
                ),
                "count": Reduce(chained_code.Count, source="odd"),
            },
            sinks=sinks,
            folder=tmp_path,
        )

    why = "message 201 cannot be stored: a result with the key 201, which is no text; names of what is stored are texts"
    report = made(is_recorded=True).run(engine, run_id="recorded")
    assert (report.outcome, report.adds_up) == ("failed", True)
    assert any(f"odd.record: {why}" in reason for reason in report.reasons)
    accounts = report.edge("odd", "odd.record").accounts
    assert accounts["done"] + accounts["dropped"] == N
    assert 0 < accounts["dropped"] <= 210
    with h5py.File(report.outputs["file"]) as file:
        assert file["n"][()] == N
    failed = made(is_recorded=False).run(engine, run_id="sunk")
    assert (failed.outcome, failed.adds_up) == ("failed", True)
    assert f"it: {why}" in failed.reasons[0]
    with opened_store("streams", tmp_path) as store:
        for name, count in (("recorded", 200), ("sunk", 200)):
            info = store.info(StreamAddress("c1", "it", name))
            assert (info.state, info.count) == (StreamState.ABORTED, count)
            assert why in info.reason


@pytest.mark.parametrize("names", [["squared-0", "squared-1"], ["out", "squared.record"]], ids=["worker", "sink"])
def test_nothing_is_there_twice_whoever_dies(names: list[str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for dice in rounds(request, 1, many=50):
        name = f"{dice.getrandbits(32)}"
        gate = tmp_path / name
        made = Pipeline(
            name="deaths",
            beamtime="c1",
            store="streams",
            sources={"numbers": Source(deadly_code.Stored, n=2000, block=20, pace_s=0.004, gate=str(gate))},
            events={"single": Join("numbers", by="key")},
            stages={"squared": Map(chained_code.of_event, source="single", workers=2, record=True)},
            sinks={"out": Sink("stream", source="squared")},
            folder=tmp_path,
        )
        report = local_runs.run(made, Hits(dice, names, 4, gate=str(gate)), stages=(), run_id=name).report
        assert (report.outcome, report.reasons) == ("finished", [])
        assert sum(process.deaths for process in report.processes if process.name in names) == 4
        for sink, source in (("out", "out"), ("squared.record", "squared")):
            accounts = report.edge("squared", sink).accounts
            assert accounts["done"] + accounts.get("duplicate", 0) == 2000
            with opened_store("streams", tmp_path) as store, store.read(StreamAddress("c1", source, name)) as reader:
                assert reader.info.state is StreamState.FINISHED
                found = [message for stored in reader.blocks() for message in stored.messages()]
            assert [message.id for message in found] == list(range(1, 2001))
            assert all((message.array == (message.id - 1) ** 2).all() for message in found)


@pytest.mark.parametrize("store", ["server"], indirect=True)
def test_a_run_is_recorded_at_a_server_and_replayed_from_there(store: str, tmp_path: Path) -> None:
    write(tmp_path, first=first(store).replace('gate: ""', 'gate: "", record: true'))
    assert ended(*run(tmp_path, "first", "--run", "live"), folder=tmp_path, environ=ENVIRON).code == 0
    said = ended("replay", "live", "--store", store, "--run", "again", folder=tmp_path, environ=ENVIRON)
    assert said.code == 0, said.text
    with opened_store(store, tmp_path) as opened:
        found = []
        for address in ("c1/squares/live", "c1/squares/again"):
            with opened.read(StreamAddress.parse(address)) as reader:
                messages = [message for stored in reader.blocks() for message in stored.messages()]
                assert reader.info.state is StreamState.FINISHED
            found.append([(m.id, m.metadata, [a.tobytes() for a in m.buffers]) for m in messages])
        assert len(found[0]) == N
        assert found[0] == found[1]
        assert state(opened, "c1/numbers/live") == (StreamState.FINISHED, N)


def test_a_source_in_a_group_that_dies_reads_on_and_what_it_had_comes_again(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with opened_store("streams", tmp_path) as store, store.write(StreamAddress("c1", "squares", "live")) as writer:
        for k in range(1, N + 1):
            value = chained_code.squared(Message(key=k, array=np.full((2, 3), k, np.uint16)))
            writer.append(Block.of("live", [replace(message_of(value), id=k)]))
        writer.finish()
    for number, dice in enumerate(rounds(request, 1, many=30)):
        made = Pipeline(
            name="second",
            beamtime="c1",
            store="streams",
            sources={
                "squares": Source("stream", address="c1/squares/live", group=f"g{number}", lease_s=0.5),
            },
            stages={"rooted": Map(chained_code.rooted, source="squares", workers=2, spend_s=0.003)},
            sinks={"roots": Sink("stream", source="rooted", address=f"c1/roots/{number}", id="id")},
            folder=tmp_path,
        )
        report = local_runs.run(made, Hits(dice, ["squares"], 2, from_s=0.1, waits=False), stages=()).report
        assert (report.outcome, report.reasons) == ("finished", [])
        assert sum(process.deaths for process in report.processes) >= 1
        remarks = report.edge("instrument", "squares").remarks
        assert any("what was not accounted for comes again" in remark for remark in remarks)
        with opened_store("streams", tmp_path) as store:
            assert_roots(store, f"c1/roots/{number}")
            assert isinstance(store, GroupStore)
            group = store.group_report(StreamAddress("c1", "squares", "live"), f"g{number}")
            assert group is not None
            assert (group.snapshot.settled, group.snapshot.lag) == (N, 0)
