"""The kill table: whoever is killed at whatever moment, books and views are right, or it is said why not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from penstock.pipeline import Map, Source
from tests.system import deadly_code as code
from tests.system.local_runs import Ended, Hits, N, assert_same, books, deaths, run, scan
from tests.system.watching import PATIENCE_S, ROOT, descendants, rounds

pytestmark = pytest.mark.usefixtures("nothing_left_open")

KILLS = 5
"""In one run: 20 in four runs, 500 in a hundred."""


@pytest.fixture(scope="module")
def undisturbed() -> Ended:
    ended = run(scan())
    assert_same(ended, ended)
    kind, shape, data = ended.views["arrays"]["each"]["table"]
    table = np.frombuffer(data, kind).reshape(shape)
    assert (table == np.outer(np.arange(N), [1, code.SIZE, code.SIZE])).all()
    assert [row[1] for row in ended.views["lists"]["rows"]] == list(range(N))
    assert books(ended.report)["scan", "map"] == {"done": N}
    assert ended.report.edge("instrument", "a").accounts == {"done": N + 2, "unparsable": 2}
    assert deaths(ended.report) == 0
    return ended


@pytest.mark.parametrize(
    "names",
    [["map-0", "map-1"], ["arrays-0", "lists-0"], ["a", "b"], ["map-0", "map-1", "arrays-0", "lists-0", "a", "b"]],
    ids=["worker", "reducer", "source of a file", "anybody"],
)
def test_nothing_can_be_told_from_books_and_views(
    names: list[str], undisturbed: Ended, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for dice in rounds(request, 4, many=100):
        gate = tmp_path / f"{dice.getrandbits(32)}"
        hits = Hits(dice, names, KILLS, gate=str(gate))
        ended = run(scan(gate=str(gate)), hits)
        assert_same(ended, undisturbed)
        assert deaths(ended.report) == deaths(ended.report, *names) == KILLS
        if names == ["a", "b"]:
            remarks = [r for name in names for r in ended.report.edge("instrument", name).remarks]
            assert sum("restarted: " in remark and "SIGKILL" in remark for remark in remarks) == KILLS


def test_a_reducer_whose_state_cannot_be_given_on_folds_everything_again(
    undisturbed: Ended, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for dice in rounds(request, 2, many=20):
        gate = tmp_path / f"{dice.getrandbits(32)}"
        small = Map(code.weigh, source="scan", large_every=0, spend_s=0.0002, workers=2)
        pipeline = scan(map=small, gate=str(gate), lists=code.Opaque)
        ended = run(pipeline, Hits(dice, ["lists-0"], 3, gate=str(gate)))
        assert (ended.report.outcome, ended.report.reasons) == ("finished", [])
        assert books(ended.report) == books(undisturbed.report)
        assert ended.views["lists"] == undisturbed.views["lists"]
        assert deaths(ended.report, "lists-0") == 3


def test_workers_whose_results_are_large_do_not_wait_for_each_other(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    large = Map(code.weigh, source="scan", large_every=1, workers=2)
    undisturbed = run(scan(map=large))
    for dice in rounds(request, 3, many=50):
        gate = tmp_path / f"{dice.getrandbits(32)}"
        ended = run(scan(map=large, gate=str(gate)), Hits(dice, ["map-0", "map-1"], KILLS, gate=str(gate)))
        assert_same(ended, undisturbed)
        assert deaths(ended.report) == KILLS


def test_what_an_instrument_sends_while_nobody_listens_is_named(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for dice in rounds(request, 7, many=170):
        n, kills = 2400, 3
        clock = tmp_path / f"{dice.getrandbits(32)}"
        live = [Source(code.Live, n=n, clock=str(clock)) for _ in "ab"]
        hits = Hits(dice, ["a", "b"], kills, from_s=0.1)  # their starts have been told by then
        ended = run(scan(a=live[0], b=live[1]), hits)
        report = ended.report
        assert (report.outcome, report.exit_code) == ("incomplete", 3)
        assert all("until it was read again is missing" in reason for reason in report.reasons)
        assert deaths(report) == deaths(report, "a", "b") == len(hits.hit) >= 1
        books(report)
        kind, shape, data = ended.views["arrays"]["each"]["table"]
        table = np.frombuffer(data, kind).reshape(shape)
        gaps = {}
        for column, name in enumerate("ab", 1):
            came = set((table[table[:, column] >= 0, column] // code.SIZE).tolist())
            gaps[name] = sorted(set(range(n)) - came)
            # What is missing at the very end nothing follows from whose number it could be told.
            inner = [k for k in gaps[name] if k < max(came, default=0)]
            edge = report.edge(name, "scan")
            if "discarded" not in edge.accounts:  # behind the end, and late, where the machine was too slow
                assert edge.counters.get("gaps", 0) + edge.accounts.get("late", 0) == len(inner)
            remarks = report.edge("instrument", name).remarks
            assert any("restarted: " in remark for remark in remarks) == (name in hits.hit)
            assert bool(edge.counters.get("gaps", 0)) <= (name in hits.hit)
        stored = [Source(code.Stored, n=n, missing=gaps[name]) for name in "ab"]
        again = run(scan(a=stored[0], b=stored[1]))
        assert ended.views == again.views


def test_without_its_builder_a_run_says_that_it_failed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for dice in rounds(request, 20):
        before = time.monotonic()
        ended = run(scan(ends=str(tmp_path)), Hits(dice, ["builder"], 1, pause_s=0.4, waits=False))
        assert time.monotonic() - before < 10
        report = ended.report
        assert (report.outcome, report.exit_code) == ("failed", 1)
        assert report.reasons[0].startswith("builder (process ")
        assert "was killed by SIGKILL: the events under way are lost, and " in report.reasons[0]
        books(report)
        for sink in ("views", "items"):
            assert (tmp_path / sink).read_text() == "False failed"
        table = ended.views["arrays"].get("each", {}).get("table")
        if table is not None:
            rows = np.frombuffer(table[2], table[0]).reshape(table[1])
            assert (rows == np.outer(np.arange(len(rows)), [1, code.SIZE, code.SIZE])).all()


def test_nobody_outlives_the_supervisor(request: pytest.FixtureRequest) -> None:
    memory = set(Path("/dev/shm").glob("*penstock*"))
    words = [sys.executable, "-m", "tests.system.many_supervisors"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as mother:
        assert mother.stdin is not None
        assert mother.stdout is not None
        for dice in rounds(request, 20):
            mother.stdin.write("\n")
            mother.stdin.flush()
            pid = int(mother.stdout.readline())
            time.sleep(dice.uniform(0, 0.6))
            os.kill(pid, signal.SIGSTOP)  # so that it starts nobody while its children are looked for
            found = descendants(pid)
            os.kill(pid, signal.SIGKILL)
            end = time.monotonic() + PATIENCE_S
            while left := [child for child in found if _is_alive(child)]:
                assert time.monotonic() < end, f"{left} live on"
                time.sleep(0.005)
        mother.stdin.close()
        assert mother.wait(PATIENCE_S) == 0
    assert set(Path("/dev/shm").glob("*penstock*")) == memory


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # whoever adopted it has not waited for it yet
