"""SNAP's files, run as they are, by real processes: version 1, version 2, and what SNAP promised and did not do."""

import json
import re
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.system.commands import Process, Said, assert_adds_up, assert_speaks_of_the_users_world, ended, started

FILES = Path(__file__).parent / "snap"
SNAP = (sys.executable, "-c", "from penstock.cli.snap import main; main()")


def run(file: str, node: str, folder: Path, environ: dict[str, str] | None = None) -> Said:
    """Run a node that ends by itself."""
    report = folder / "report.json"
    with started("run", str(FILES / file), "-n", node, "--report", str(report), folder=folder, environ=environ) as it:
        said = it.end(report)
    assert_speaks_of_the_users_world(said)
    assert said.code == 0, said.text
    assert_adds_up(said)
    return said


def stopped(process: Process) -> Said:
    process.process.send_signal(signal.SIGINT)
    return process.end()


def after(out: str, word: str) -> list[str]:
    """Return what stands behind a word in the lines that begin with it."""
    return [line.removeprefix(word).strip() for line in out.splitlines() if line.startswith(word)]


def assert_counts_what_passes(said: Said) -> None:
    places = [float(text) for text in after(said.out, "generated")]
    positive = [int(text) for text in after(said.out, "Positive values:")]
    high = [int(text) for text in after(said.out, "Values above 3:")]
    assert len(places) == 60
    assert sum(positive) == sum(place > 0 for place in places)
    assert sum(high) == sum(place > 3 for place in places)
    assert len(positive) > 1, "a walk of 0.6 s was counted in intervals of 0.1 s"
    assert 0 not in high


def test_version_1_with_two_branches_that_count_and_with_a_log(tmp_path: Path) -> None:
    said = run("seed.yml", "node_branching", tmp_path)
    assert_counts_what_passes(said)
    assert after(said.err, "positive says") == [f"{text} positive" for text in after(said.out, "Positive values:")]


def test_version_2_with_two_branches_that_count(tmp_path: Path) -> None:
    assert_counts_what_passes(run("branches.yml", "node", tmp_path))


def test_what_is_converted_runs_without_snap(tmp_path: Path) -> None:
    walks = (FILES / "walks.py").read_text()
    (tmp_path / "walks.py").write_text(walks.replace("from snap ", "from penstock.compat.snap "))
    (tmp_path / "branches.yml").write_bytes((FILES / "branches.yml").read_bytes())
    said = ended("convert", "branches.yml", "-n", "node", "-o", "own.yaml", folder=tmp_path)
    assert (said.code, said.out, said.err) == (0, "", "own.yaml written\n")
    said = ended("run", "own.yaml", folder=tmp_path)
    assert said.code == 0, said.text
    assert_counts_what_passes(said)


def test_a_closure_runs_in_processes(tmp_path: Path) -> None:
    said = run("branches.yml", "node_parallel", tmp_path)
    items = re.findall(r"^got \((\d), ([\d.]+)\)$", said.out, re.MULTILINE)
    assert sorted(int(number) for number, _ in items) == [1, 2, 3, 4]


def test_what_snap_promised_works(tmp_path: Path) -> None:
    said = run("mended.yml", "node", tmp_path)
    lines = Counter(said.out.splitlines())
    assert [lines[f"told answer to {n}"] for n in (1, 2)] == [1, 1]
    assert [lines[f"shell says answer to {n}"] for n in (1, 2)] == [2, 2]
    assert [number for text in after(said.out, "gathered") for number in json.loads(text)] == [3, 2, 1]
    assert after(said.out, "got") == ["('it', 6.0)", "('it', 4.0)", "('it', 2.0)"]


def test_every_as_a_source_goes_on_until_it_is_stopped(tmp_path: Path) -> None:
    with started("run", str(FILES / "mended.yml"), "-n", "every", folder=tmp_path) as it:
        it.line("got ", count=5)
        said = stopped(it)
    assert said.code == 130
    times = [float(text) for text in after(said.out, "got")]
    assert times == sorted(times)


@pytest.mark.parametrize(("sender", "receiver"), [("node1", "node2"), ("mixed", "dotted")])
def test_nodes_are_joined_by_zeromq(sender: str, receiver: str, tmp_path: Path) -> None:
    pytest.importorskip("penstock.elements.sinks.zmq_push")
    environ = {"ADDRESS": f"ipc://{tmp_path}/joined.here"}
    with started("run", str(FILES / "sockets.yml"), "-n", receiver, folder=tmp_path, environ=environ) as it:
        sent = run("sockets.yml", sender, tmp_path, environ)
        it.line("received", count=3)
        received = stopped(it)
    assert after(sent.out, "sent") == after(received.out, "received") == ["3", "2", "1"]


def test_a_node_answers_who_asks_for_its_status(tmp_path: Path) -> None:
    environ = {"ADDRESS": f"ipc://{tmp_path}/status"}
    words = (str(FILES / "monitor.yml"), "-n", "busy", "-S", environ["ADDRESS"], "-v", "info")
    with started(*words, folder=tmp_path, command=SNAP) as busy:
        with started("run", str(FILES / "monitor.yml"), folder=tmp_path, environ=environ) as monitor:
            monitor.line("got (b'OK', ", count=3)
            said = stopped(monitor)
        assert busy.process.poll() is None
        asked = stopped(busy)
    assert (said.code, asked.code) == (130, 130)
    assert "Traceback" not in said.err + asked.err


def test_the_command_snap_keeps_the_items_apart_from_the_ledger(tmp_path: Path) -> None:
    with started(str(FILES / "mended.yml"), "--node", "finite", folder=tmp_path, command=SNAP) as it:
        said = it.end()
    assert (said.code, said.out) == (0, "got 1\n")
    assert "in flight" in said.err
