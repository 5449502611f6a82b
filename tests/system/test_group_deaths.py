"""Members of a group that are killed at any moment: every message is done, and few are done twice."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penstock.streams.group_store import StoredGroup
from tests.system.group_members import There

MEMBERS = 4


class Members:
    """Four members, and what they have done."""

    def __init__(self, folder: Path, flush_s: float) -> None:
        self._folder = folder
        command = [sys.executable, "-m", "tests.system.group_members", str(folder), str(flush_s)]
        self._maker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pids = [self._made() for _ in range(MEMBERS)]

    def kill(self, which: int) -> None:
        os.kill(self.pids[which], signal.SIGKILL)
        self.pids[which] = self._made()

    def done(self) -> list[int]:
        return [message_id for path in self._folder.glob("done-*") for message_id in np.fromfile(path, "<u8").tolist()]

    def n_done(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("done-*")) // 8

    def end(self) -> None:
        (self._folder / "end").touch()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in self.pids))
        self._maker.communicate()

    def _made(self) -> int:
        assert self._maker.stdin is not None
        assert self._maker.stdout is not None
        self._maker.stdin.write("\n")
        self._maker.stdin.flush()
        return int(self._maker.stdout.readline())


def until(claim: Callable[[], bool]) -> None:
    while not claim():
        threading.Event().wait(0.005)


def search(folder: Path, kills: int, flush_s: float, seed: int, *, each: int = 2000) -> None:
    dice = random.Random(seed)
    present = folder / "present"
    total = kills * each
    # Every tenth id comes late, after what is behind it.
    ids = np.arange(1, total + 1, dtype="<u8")
    ids[ids % 10 > 0].tofile(present)
    members = Members(folder, flush_s)
    try:
        for moment in sorted(dice.randrange(1, total * 9 // 10) for _ in range(kills)):
            until(lambda moment=moment: members.n_done() >= moment)  # type: ignore[misc]
            members.kill(dice.randrange(MEMBERS))
        with present.open("ab") as file:
            ids[ids % 10 == 0].tofile(file)
        there = There(folder)
        group = StoredGroup(folder / "groups", "b/s/one", "fit")

        def is_drained() -> bool:
            with group.change() as state:
                return state.is_drained(there())

        until(is_drained)
        with group.change() as state:
            record, taken = state.record, state.unclaimed.taken
            assert not record.dead
            assert not record.leases
            assert taken.first_absent(1) == total + 1
            assert record.acknowledged == total
            redelivered = record.redelivered
        group.close()
    finally:
        members.end()
    done = members.done()
    assert set(done) == set(range(1, total + 1))
    assert len(done) - total <= redelivered <= kills * 64


def test_none_is_lost_when_members_are_killed(tmp_path: Path) -> None:
    search(tmp_path, 20, 0.01, 5)


def test_one_is_done_twice_at_most_when_each_is_written_before_the_next(tmp_path: Path) -> None:
    search(tmp_path, 5, 0, 6)
    done = [np.fromfile(path, "<u8") for path in tmp_path.glob("done-*")]
    _, times = np.unique(np.concatenate(done), return_counts=True)
    assert int((times - 1).sum()) <= 5


@pytest.mark.long
@pytest.mark.timeout(600)
def test_none_is_lost_in_500_deaths(tmp_path: Path) -> None:
    search(tmp_path, 500, 0.01, random.SystemRandom().randrange(1 << 30), each=400)
