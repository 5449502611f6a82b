"""``penstock watch`` as a process: killed at any moment, stopped in good order, with real folders."""

import json
import random
import signal
from pathlib import Path
from subprocess import TimeoutExpired
from threading import Event, Thread

import pytest

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore
from tests.system.commands import ended, started

KILLS = 20
ADDRESS = StreamAddress("b", "files", "run")
WATCH = ("watch", "in", "--store", "store", "--to", "b/files/run", "--stable-s", "0.05")


def _messages(folder: Path, address: StreamAddress = ADDRESS) -> list[Message]:
    with DirectoryStore(folder / "store") as store, store.read(address) as reader:
        return [message for stored in reader.blocks() for message in stored.messages()]


class _Instrument:
    """Writes files, some slowly, some by renaming, some into new folders, until it is told to stop."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.written: set[str] = set()
        self._folder = folder
        self._random = random.Random(seed)
        self._stop = Event()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._random.random() * 0.01):
            name = f"{len(self.written)}"
            path = self._folder / f"{len(self.written) // 50}" / name
            path.parent.mkdir(exist_ok=True)
            if self._random.random() < 0.5:
                draft = path.with_suffix(".tmp")
                draft.write_bytes(name.encode())
                draft.rename(path)
            else:
                path.write_bytes(name.encode())
            self.written.add(name)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("options", [(), ("--remove-after-send",)], ids=["kept", "removed"])
def test_whoever_is_killed_when_no_file_is_lost_and_none_is_sent_twice(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    (tmp_path / "in").mkdir()
    chance = random.Random(7)
    with started(*WATCH, *options, folder=tmp_path) as process:
        process.line("watching")
        instrument = _Instrument(tmp_path / "in", 7)
    killed = 1
    try:
        while killed < KILLS:
            with started(*WATCH, *options, folder=tmp_path) as process:
                if killed % 4:  # else also while it starts
                    process.line("watching")
                try:
                    process.process.wait(chance.random() * 0.4)
                except TimeoutExpired:
                    killed += 1
                else:
                    pytest.fail(f"it has ended by itself: {process.end().text}")
    finally:
        instrument.stop()
    written = instrument.written
    with started(*WATCH, *options, folder=tmp_path) as process, DirectoryStore(tmp_path / "store") as store:
        process.line("watching")
        with store.read(ADDRESS) as reader:
            assert reader.wait(len(written) - 1, 60), f"{reader.info.count} of {len(written)}"
        process.process.send_signal(signal.SIGINT)
        said = process.end()
    assert said.code == 0, said.text
    messages = _messages(tmp_path)
    names = [message.metadata["name"] for message in messages]
    assert len(names) > 2 * KILLS
    assert sorted(names) == sorted(written)
    assert all(bytes(message.array).decode() == message.metadata["name"] for message in messages)
    assert [message.id for message in messages] == sorted({message.id for message in messages})
    if options:
        assert [path for path in (tmp_path / "in").rglob("*") if path.is_file()] == []


def test_one_signal_stops_it_when_what_was_read_is_stored(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with started(*WATCH, "--json", "--finish", folder=tmp_path) as process:
        process.line('{"state": "watching"}')
        for number in range(500):
            (tmp_path / "in" / f"{number}").write_bytes(b"1")
        with DirectoryStore(tmp_path / "store") as store, store.read(ADDRESS) as reader:
            assert reader.wait(0, 30)
            process.process.send_signal(signal.SIGTERM)
            said = process.end()
            info = reader.info
    facts = json.loads(said.out.splitlines()[-1])
    assert (facts["state"], facts["sent"], info.state) == ("finished", info.count, "finished")
    assert "stopping" in said.err
    assert said.code == 0


def test_a_second_watcher_of_the_same_target_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with started(*WATCH, folder=tmp_path) as process:
        process.line("watching")
        said = ended(*WATCH, folder=tmp_path)
    assert said.code == 2
    assert "another process watches for the same target" in said.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("watch", "none", "--store", "store", "--to", "b/s/t"), "no such folder"),
        (("watch", "in", "--store", "in/store", "--to", "b/s/t"), "lies in the other"),
        (("watch", "in", "--store", "store", "--to", "b"), "names no source"),
        (("watch", "in", "--store", "store", "--to", "b/s/t/u"), "is no address"),
        (("watch", "in", "--store", "memory:", "--to", "b/s/t", "--remove-after-send"), "survives a loss of power"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(tmp_path: Path, words: tuple[str, ...], text: str) -> None:
    (tmp_path / "in").mkdir()
    said = ended(*words, folder=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert text in said.err
