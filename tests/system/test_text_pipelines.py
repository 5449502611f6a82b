"""Pipelines of text, as people run them: a table that ends, and a log that grows until somebody stops it."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.system.commands import LONGEST_S, ended, ledger_of, started

TABLE = """
sources:
  table: {use: csv, path: data/scan.csv}
stages:
  bright: {from: table, steps: [{progress: {total: 100}}, {meter: {field: I0}}, {threshold: {field: I0, above: 0.5}}]}
  twice: {from: bright, steps: [{command: {argv: [./twice, "{x}"], output: json, into: twice}}]}
sinks:
  json: {use: json-lines, from: bright, path: "{run}.jsonl"}
  csv: {use: csv, from: twice, path: "{run}.csv"}
  text: {use: lines, from: bright, path: "{run}.txt", line: "{x} {I0:.2f}"}
"""

LOG = """
sources:
  log: {use: lines, path: app.log, follow: true}
  clock: {use: every, every_s: 0.01}
sinks:
  seen: {use: command, from: log, argv: [sh, -c, 'echo "$1" >> seen', sh, "{}"]}
  times: {use: json-lines, from: clock, path: times.jsonl}
"""


def _until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LONGEST_S
    while not is_so():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.005)


def test_a_table_goes_through(tmp_path: Path) -> None:
    (tmp_path / "p" / "data").mkdir(parents=True)
    rows = "".join(f"{at},{at / 100}\n" for at in range(100))
    (tmp_path / "p" / "data" / "scan.csv").write_text(f"x,I0\n{rows}1,2,3\n")
    (tmp_path / "p" / "twice").write_text("#!/bin/sh\necho $(($1 * 2))\n")
    (tmp_path / "p" / "twice").chmod(0o755)
    (tmp_path / "p" / "p.yaml").write_text(TABLE)
    said = ended("run", "p/p.yaml", "--run", "r1", folder=tmp_path)  # paths are the pipeline's
    assert said.code == 0, said.text
    assert "data/scan.csv, line 102: 3 values, not 2 as in the header" in said.out
    books = ledger_of(said.out)
    assert books["instrument", "table"] == {"in": 101, "done": 100, "filtered": 0, "unparsable": 1, "in-flight": 0}
    assert (tmp_path / "p" / "r1.txt").read_text().splitlines()[0] == "51 0.51"
    assert json.loads((tmp_path / "p" / "r1.jsonl").read_text().splitlines()[-1]) == {"x": 99, "I0": 0.99}
    assert (tmp_path / "p" / "r1.csv").read_text().splitlines()[:2] == ["x,I0,twice", "51,0.51,102"]
    assert "progress  100 of 100" in said.err
    assert "I0  0.99  (100 items)" in said.err


def test_a_log_is_followed_until_somebody_stops_it(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("first; rm app.log\n")
    (tmp_path / "p.yaml").write_text(LOG)
    seen = tmp_path / "seen"
    with started("run", "p.yaml", folder=tmp_path) as process:
        _until(lambda: seen.exists() and seen.read_text() == "first; rm app.log\n")
        (tmp_path / "app.log").rename(tmp_path / "app.log.1")
        (tmp_path / "app.log").write_text("$(id)\n")
        _until(lambda: seen.read_text() == "first; rm app.log\n$(id)\n")
        process.process.send_signal(signal.SIGINT)
        said = process.end()
    assert said.code == 130, said.text
    books = ledger_of(said.out)
    assert books["log", "seen"] == {"in": 2, "done": 2, "in-flight": 0}
    assert books["instrument", "clock"]["in"] == len((tmp_path / "times.jsonl").read_text().splitlines())
