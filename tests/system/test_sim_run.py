"""Simulated instruments through the real sources and a run on the local engine: what was injected is what is missed."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.system.commands import started
from tests.system.simulated_scan import SimulatedScan, ended_with, simulating


@pytest.mark.parametrize(("rows", "columns", "rate"), [(41, 51, "0"), (4, 5, "100")])
def test_a_scan_arrives_whole(tmp_path: Path, rows: int, columns: int, rate: str) -> None:
    scan = SimulatedScan(folder=tmp_path, rows=rows, columns=columns)
    said = scan.run("--rate", rate)
    assert said.code == 0, said.text
    for name, report in scan.reports.items():
        assert (report["code"], report["state"], report["frames"]) == (0, "finished", scan.points)
        assert not any(report["injected"].values())
        assert said.edge("instrument", name) == {"in": scan.points + 2, "done": scan.points + 2}
        assert said.edge(name, "point") == {"in": scan.points + 2, "joined": scan.points + 2}
    np.testing.assert_array_equal(scan.table(), scan.truth())


def test_what_was_injected_is_what_the_ledger_says(tmp_path: Path) -> None:
    faults = "lost=0.05,doubled=0.05,late=0.03,corrupt=0.05,reordered=0.05"
    scan = SimulatedScan(folder=tmp_path, rows=12, columns=25, reorder=20)
    scan.words = {name: ["--faults", faults] for name in ("xspress3", "stins")}
    said = scan.run()
    whole = set(range(scan.points))
    for name in scan.words:
        report = scan.reports[name]
        injected = report["injected"]
        assert all(injected[fault] > 0 for fault in ("lost", "doubled", "late", "corrupt", "reordered"))
        assert report["frames"] == scan.points - injected["lost"] + injected["doubled"]
        assert said.edge("instrument", name) == {
            "in": report["frames"] + 2,
            "done": report["frames"] + 2 - injected["corrupt"],
            "unparsable": injected["corrupt"],
        }
        arriving = scan.arriving(name, faults)
        assert len(arriving) == scan.points - injected["lost"] - injected["corrupt"]
        assert said.edge(name, "point") == {
            "in": report["frames"] + 2 - injected["corrupt"],
            "joined": len(arriving) + 2,
            "duplicate": injected["doubled"],
            "gaps": injected["lost"] + injected["corrupt"],
            "reordered": injected["late"] + injected["reordered"],
        }
        whole &= arriving
    assert said.code == 3
    assert said.report["joins"]["point"] == {
        "formed": scan.points, "planned": scan.points, "unformed": 0, "partial": scan.points - len(whole),
    }  # fmt: skip
    np.testing.assert_array_equal(scan.table(), scan.truth()[sorted(whole)])


def test_silence_and_a_disconnect_lose_nothing(tmp_path: Path) -> None:
    scan = SimulatedScan(folder=tmp_path, rows=5, columns=8)
    scan.words = {
        "xspress3": ["--faults", "disconnect@10,silence=0.3@20"],
        "stins": ["--faults", "silence=0.2@0,disconnect@39"],
        "pandabox": ["--faults", "silence=0.1@5"],
    }
    said = scan.run()
    assert said.code == 0, said.text
    assert (
        scan.reports["xspress3"]["injected"] | {"silence": 1, "disconnect": 1} == scan.reports["xspress3"]["injected"]
    )
    assert scan.reports["stins"]["seconds"] >= 0.2
    np.testing.assert_array_equal(scan.table(), scan.truth())


def one_source(folder: Path, name: str, address: str) -> None:
    """Write a pipeline that counts what one instrument sends."""
    tree = {
        "name": "one",
        "sources": {"it": {"use": name, "connect": address}},
        "stages": {"watch": {"from": "it", "steps": ["count", {"print": {"prefix": "got "}}]}},
    }
    folder.joinpath("pipeline.yaml").write_text(json.dumps(tree))


RUN = ("run", "pipeline.yaml", "--report", "report.json")


@pytest.mark.parametrize("engine", ["local", "inline"])
def test_without_a_join_the_numbers_are_watched_all_the_same(tmp_path: Path, engine: str) -> None:
    faults = "lost=0.05,doubled=0.05,reordered=0.05"
    with simulating(tmp_path, "stins", "--points", "10x20", "--faults", faults) as (process, address):
        one_source(tmp_path, "stins", address)
        with started(*RUN, "--engine", engine, folder=tmp_path) as run:
            injected = ended_with(process)["injected"]
            said = run.end(tmp_path / "report.json")
    assert all(injected[fault] > 0 for fault in ("lost", "doubled", "reordered"))
    n = 200 + 2 - injected["lost"] + injected["doubled"]
    assert said.edge("instrument", "it") == {
        "in": n, "done": n, "gaps": injected["lost"], "doubled": injected["doubled"],
        "reordered": injected["reordered"],
    }  # fmt: skip


def test_a_byte_stream_that_is_disconnected_ends_its_source(tmp_path: Path) -> None:
    with simulating(tmp_path, "pandabox", "--points", "4x5", "--faults", "disconnect@12") as (process, address):
        one_source(tmp_path, "pandabox", address)
        with started(*RUN, folder=tmp_path) as run:
            said = run.end(tmp_path / "report.json")
        process.process.send_signal(signal.SIGINT)  # it waits for somebody to come back
        report = ended_with(process)
    assert said.edge("instrument", "it") == {"in": 14, "done": 13, "unparsable": 1}
    assert (report["code"], report["state"], report["frames"]) == (130, "aborted", 12)
    assert report["injected"]["disconnect"] == 1


def test_a_row_that_is_spoilt_or_lost_is_seen_at_the_end_of_the_arm(tmp_path: Path) -> None:
    faults = "lost=0.1,corrupt=0.1"
    with simulating(tmp_path, "pandabox", "--points", "10x10", "--faults", faults) as (process, address):
        one_source(tmp_path, "pandabox", address)
        with started(*RUN, folder=tmp_path) as run:
            said = run.end(tmp_path / "report.json")
        report = ended_with(process)
    injected = report["injected"]
    assert injected["lost"] > 0
    assert injected["corrupt"] > 0
    arrived = 100 - injected["lost"]
    assert report["frames"] == arrived
    assert said.edge("instrument", "it") == {
        "in": arrived + 2, "done": arrived + 2 - injected["corrupt"], "unparsable": injected["corrupt"],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["xspress3", "pandabox", "stins"])
def test_a_scan_that_is_stopped_ends_early_and_in_order(tmp_path: Path, name: str) -> None:
    with simulating(tmp_path, name, "--points", "41x51", "--rate", "100") as (process, address):
        one_source(tmp_path, name, address)
        with started(*RUN, folder=tmp_path) as run:
            run.line("got ", 5)
            process.process.send_signal(signal.SIGINT)
            report = ended_with(process)
            said = run.end(tmp_path / "report.json")
    assert (report["code"], report["state"], report["text"]) == (130, "aborted", "stopped before the end")
    assert 5 <= report["triggered"] < report["points"]
    assert report["frames"] == report["triggered"]
    assert said.edge("instrument", "it") == {"in": report["frames"] + 2, "done": report["frames"] + 2}
