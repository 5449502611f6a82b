"""Server, producer and consumer are killed at any moment: nothing acknowledged is lost, and nothing is doubled."""

import json
import random
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

from penstock.streams.directory import DirectoryStore
from tests.system.commands import LONGEST_S, Process
from tests.system.stream_parts import ADDRESS, message

MOMENTS = 21
SEEDS = 10
LONG_MOMENTS = 150
"""With each of ten seeds; a third of them each for server, producer and consumer, which makes 500."""
BETWEEN = 30
"""Blocks between two deaths, on average."""
MOST_MESSAGES = 13
"""In a block."""


class Crowd:
    """A server of a folder, a producer and a consumer."""

    def __init__(self, folder: Path, last: int) -> None:
        self.folder, self.last = folder, last
        self.port = 0
        self.server = self.serve()
        self.producer = self.part("produce", str(last))
        self.consumer = self.part("consume", str(folder / "log"))
        self.acknowledged = 0

    def serve(self) -> Process:
        """Start a server where the one before was."""
        process = Process("serve", "--store", "store", "--listen", str(self.port), "--json", folder=self.folder)
        address = json.loads(process.line('{"address"'))["address"]
        self.port = int(address.rpartition(":")[2])
        return process

    def part(self, *words: str) -> "subprocess.Popen[str]":
        """Start a producer or consumer."""
        what, *rest = words
        return subprocess.Popen(
            [sys.executable, "-m", "tests.system.stream_parts", what, f"tcp://127.0.0.1:{self.port}", *rest],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE if what == "produce" else subprocess.DEVNULL,
            stdout=subprocess.PIPE if what == "produce" else subprocess.DEVNULL,
            text=True,
        )

    def allow(self, blocks: int) -> None:
        """Let the producer send some more blocks; it does not wait for them to be acknowledged."""
        assert self.producer.stdin is not None
        self.producer.stdin.write("\n" * blocks)
        self.producer.stdin.flush()

    def allow_all(self) -> None:
        """Let the producer go on to its end."""
        assert self.producer.stdin is not None
        self.producer.stdin.close()

    def read_acknowledged(self) -> bool:
        """Wait for one more acknowledged append; return whether there was one."""
        assert self.producer.stdout is not None
        line = self.producer.stdout.readline()
        if line.endswith("\n"):
            self.acknowledged = max(self.acknowledged, int(line))
        return bool(line)

    def kill(self, victim: str) -> None:
        """Kill one of them, and start it again; the others must go on by themselves."""
        assert (self.producer.poll(), self.consumer.poll()) == (None, None), "nobody may end before the stream does"
        if victim == "server":
            self.server.close()
            self.server = self.serve()
        elif victim == "consumer":
            self.consumer.kill()
            self.consumer.wait()
            self.consumer = self.part("consume", str(self.folder / "log"))
        else:
            self.producer.kill()
            while self.read_acknowledged():
                pass
            self.close_producer()
            self.producer = self.part("produce", str(self.last))

    def close_producer(self) -> None:
        """Wait for its end."""
        self.producer.wait(LONGEST_S)
        self.close_pipes()

    def close_pipes(self) -> None:
        """Close those to the producer."""
        assert self.producer.stdin is not None
        with suppress(BrokenPipeError):
            self.producer.stdin.close()
        assert self.producer.stdout is not None
        self.producer.stdout.close()

    def close(self) -> None:
        """End all of them, as they are."""
        for process in (self.producer, self.consumer):
            process.kill()
            process.wait()
        self.close_pipes()
        self.server.close()


@pytest.mark.timeout(300)
def test_whoever_is_killed_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    _survive(tmp_path, MOMENTS, seed=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("run", range(SEEDS))
def test_each_is_killed_at_500_moments(tmp_path: Path, run: int) -> None:
    del run
    _survive(tmp_path, LONG_MOMENTS, seed=random.SystemRandom().randrange(1 << 30))


def _survive(folder: Path, moments: int, seed: int) -> None:
    chance = random.Random(seed)
    victims = [("server", "producer", "consumer")[n % 3] for n in range(moments)]
    chance.shuffle(victims)
    last = moments * 2 * BETWEEN * MOST_MESSAGES
    with ExitStack() as stack:
        crowd = Crowd(folder, last)
        stack.callback(crowd.close)
        for victim in victims:
            # Not all that is sent is waited for, so that something is on its way when somebody dies.
            allowed = chance.randrange(1, 2 * BETWEEN)
            crowd.allow(allowed)
            for _ in range(chance.randrange(allowed)):
                assert crowd.read_acknowledged(), f"the producer has ended, seed {seed}"
            crowd.kill(victim)
        crowd.allow_all()
        while crowd.read_acknowledged():
            pass
        crowd.close_producer()
        assert crowd.producer.returncode == 0, f"seed {seed}"
        assert crowd.consumer.wait(LONGEST_S) == 0, f"seed {seed}"
    expected = list(range(1, last + 1))
    assert crowd.acknowledged == last
    assert np.fromfile(folder / "log", "<u8").tolist() == expected, f"consumed, seed {seed}"
    with DirectoryStore(folder / "store") as store, store.read(ADDRESS) as reader:
        found = [one for stored in reader.blocks() for one in stored.block.messages()]
        assert [one.id for one in found] == expected, f"stored, seed {seed}"
        for one in found:
            meant = message(one.id)
            assert (one.timestamp_ns, dict(one.metadata)) == (meant.timestamp_ns, dict(meant.metadata))
            assert np.array_equal(one.array, meant.array)
        assert reader.info.state == "finished"
