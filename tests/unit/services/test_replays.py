"""Replays beside a run, as programs that are quicker than penstock: they are heard, bounded, and ended."""

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.errors import PenstockError, ServiceError, StateError
from penstock.services.replays import MOST_AT_ONCE, MOST_REMEMBERED, Replays, ReplayWish
from penstock.services.usage import descendants

SHOWN = "import sys, time; print('a warning\\nviews: http://here:7', file=sys.stderr, flush=True); time.sleep(60)"
BROKEN = "import sys; print('RUN: no run ' + sys.argv[-1], file=sys.stderr); sys.exit(2)"
LOUD = "import sys; print('views: http://here:7', file=sys.stderr); print(100_000 * 'x', file=sys.stderr)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
Made = Callable[[str], Replays]


@pytest.fixture
def made() -> Iterator[Made]:
    with select.epoll() as epoll:
        all_made: list[Replays] = []

        def make(program: str) -> Replays:
            all_made.append(Replays("127.0.0.1", epoll, {"TOKEN": "t"}, (sys.executable, "-c", program)))
            return all_made[-1]

        yield make
        for each in all_made:
            each.close()


def until(replays: Replays, state: str) -> dict[str, object]:
    end = time.monotonic() + 20
    while (found := replays.listed()[-1])["state"] != state:
        assert time.monotonic() < end, found
        replays.epoll.poll(0.5)
        replays.poll()
    return found


def test_it_says_where_it_is_to_be_seen_and_ends_when_asked(made: Made) -> None:
    replays = made(SHOWN)
    begun = replays.begin(ReplayWish(run="r1", who="me"), "/store")
    assert (begun["state"], begun["of"], begun["who"]) == ("starting", "r1", "me")
    found = until(replays, "shown")
    assert (found["address"], found["said"]) == ("http://here:7", "a warning")
    assert len(replays.pids) == 1
    assert not replays.pids & {*descendants(os.getpid(), apart=replays.pids)}
    assert replays.pids <= {*descendants(os.getpid())}
    assert replays.end(str(begun["name"]), "you")["state"] == "ending"
    found = until(replays, "ended")
    assert (found["exit_code"], found["ended_by"]) == (-15, "you")
    assert replays.pids == set()


def test_one_that_fails_says_why(made: Made) -> None:
    replays = made(BROKEN)
    replays.begin(ReplayWish(run="r1"), "/store")
    found = until(replays, "failed")
    assert (found["said"], found["exit_code"]) == ("RUN: no run r1", 2)


def test_what_is_said_is_bounded_and_where_it_was_seen_stays(made: Made) -> None:
    replays = made(LOUD)
    replays.begin(ReplayWish(run="r1"), "/store")
    found = until(replays, "ended")
    assert found["address"] == "http://here:7"
    assert len(str(found["said"])) <= 4000


def test_so_many_at_a_time_and_names_are_not_used_twice(made: Made) -> None:
    replays = made(SHOWN)
    names = [replays.begin(ReplayWish(run="r1"), "/store")["name"] for _ in range(MOST_AT_ONCE)]
    assert len(set(names)) == MOST_AT_ONCE
    with pytest.raises(StateError, match="no more at a time"):
        replays.begin(ReplayWish(run="r1"), "/store")


def test_so_many_are_remembered(made: Made) -> None:
    replays = made("pass")
    for _ in range(MOST_REMEMBERED + 2):
        replays.begin(ReplayWish(run="r1"), "/store")
        until(replays, "ended")
    assert len(replays.listed()) == MOST_REMEMBERED


@pytest.mark.parametrize(
    ("wish", "store", "why"),
    [
        (ReplayWish(run=""), "/store", "name of a recorded run"),
        (ReplayWish(run="a\nb"), "/store", "name of a recorded run"),
        (ReplayWish(run="r1", first=-1), "/store", "below 0"),
        (ReplayWish(run="r1"), "", "has no store"),
    ],
)
def test_a_wish_that_is_wrong_starts_nothing(made: Made, wish: ReplayWish, store: str, why: str) -> None:
    replays = made(SHOWN)
    with pytest.raises(PenstockError, match=why):
        replays.begin(wish, store)
    with pytest.raises(ServiceError, match=r"no replay .*there are none"):
        replays.end("r1-again-1")
    assert replays.listed() == []


def test_one_that_does_not_listen_is_killed_at_the_end(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.services.replays.PATIENCE_S", 0.2)
    replays = made(DEAF)
    replays.begin(ReplayWish(run="r1"), "/store")
    replays.close()
    replays.close()
    assert replays.listed()[-1]["exit_code"] in (-9, -15)


def test_a_run_with_a_name_like_an_option_is_a_run(made: Made, tmp_path: Path) -> None:
    kept = tmp_path / "words"
    replays = made(f"import sys, pathlib; pathlib.Path({str(kept)!r}).write_text('\\n'.join(sys.argv[1:]))")
    replays.begin(ReplayWish(run="--store=/etc", values={"fit.x": "a b"}, speed=2.0), "/store")
    until(replays, "ended")
    words = kept.read_text().splitlines()
    assert words[-2:] == ["--", "--store=/etc"]
    assert {"replay", "--store=/store", '--set=fit.x="a b"', "--speed=2", "--serve=127.0.0.1:0", "--beside"} < {*words}
