"""Who hangs is taken for dead: processes that are stopped, at random moments under load, and what follows."""

from pathlib import Path
from signal import SIGSTOP

import pytest

from penstock.pipeline import Source
from tests.system import deadly_code as code
from tests.system.local_runs import Ended, Hits, assert_same, books, deaths, run, scan
from tests.system.watching import rounds

pytestmark = pytest.mark.usefixtures("nothing_left_open")

DEADLINE_S = 0.6
HANG_S = 1.0


@pytest.fixture(scope="module")
def undisturbed() -> Ended:
    return run(scan())


@pytest.mark.parametrize(
    "names", [["map-0", "map-1"], ["arrays-0", "lists-0"], ["a", "b"]], ids=["worker", "reducer", "source of a file"]
)
def test_nothing_can_be_told_from_books_and_views(
    names: list[str], undisturbed: Ended, request: pytest.FixtureRequest
) -> None:
    taken_for_hung = 0
    for dice in rounds(request, 3):
        hits = Hits(dice, names, 1, SIGSTOP, pause_s=0.25, waits=False)
        ended = run(scan(deadline_s=DEADLINE_S), hits, hang_s=HANG_S)
        assert_same(ended, undisturbed)
        found = deaths(ended.report, *names)
        taken_for_hung += found
        if found and names == ["a", "b"]:
            (name,) = hits.hit
            (remark,) = [r for r in ended.report.edge("instrument", name).remarks if "restarted" in r]
            assert "was killed by SIGKILL; it did not come round for 1 s" in remark
    assert taken_for_hung >= 1  # not in every round: a source may have read all of its file before it is stopped


def test_an_instrument_whose_reader_hangs_is_read_again(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for dice in rounds(request, 2):
        clock = str(tmp_path / f"{dice.getrandbits(32)}")
        a, b = (Source(code.Live, n=6000, rate=2000, clock=clock) for _ in "ab")
        ended = run(scan(a=a, b=b), Hits(dice, ["a"], 1, SIGSTOP, from_s=0.1, waits=False), hang_s=HANG_S)
        report = ended.report
        assert (report.outcome, deaths(report), deaths(report, "a")) == ("incomplete", 1, 1)
        assert "it did not come round for 1 s: what a sent until it was read again is missing" in report.reasons[0]
        books(report)
        assert report.edge("b", "scan").accounts == {"joined": 6002}
        edge = report.edge("a", "scan")
        missing = 6002 - edge.accounts["joined"]
        assert edge.counters["gaps"] > 1000
        # Late, or discarded behind the end, where the machine was too slow; an end has no number that could be missing.
        assert missing - edge.counters["gaps"] - edge.accounts.get("late", 0) <= ("discarded" in edge.accounts)
        rows = ended.views["lists"]["rows"]
        assert [row[1] for row in rows] == list(range(6000))
        assert all(row[3] == code.SIZE * row[1] and row[2] in (-1, row[3]) for row in rows)
        assert sum(row[2] == -1 for row in rows) == missing


def test_a_builder_that_hangs_ends_the_run(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for dice in rounds(request, 3):
        hits = Hits(dice, ["builder"], 1, SIGSTOP, pause_s=0.25, waits=False)
        report = run(scan(ends=str(tmp_path)), hits, hang_s=HANG_S).report
        assert (report.outcome, report.exit_code) == ("failed", 1)
        assert "was killed by SIGKILL; it did not come round for 1 s: the events under way" in report.reasons[0]
        assert len(report.reasons) == 1
        books(report)
        assert [(tmp_path / sink).read_text() for sink in ("views", "items")] == ["False failed"] * 2
        assert deaths(report) == 0  # nobody else was taken for hung
