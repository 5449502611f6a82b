"""What a directory store keeps when writers are killed at any moment, disks fill up, and others read meanwhile."""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from penstock.core.retention import Retention
from penstock.errors import ConflictError, StoreFullError
from penstock.streams.directory import DirectoryStore
from penstock.streams.kept_retention import pin_group, set_retention
from penstock.streams.store import StreamReader, StreamState, StreamWriter
from tests.system.store_writer import ADDRESS, SEGMENT_BYTES, block, is_whole

PATIENCE_S = 50.0


class Writer:
    """The process of ``store_writer``."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.store_writer", str(folder), str(seed)], stdout=subprocess.PIPE
        )
        self.written = 0

    def wait(self, blocks: int) -> None:
        """Wait until it has said that it wrote so many blocks."""
        assert self.process.stdout is not None
        for _ in range(blocks):
            said = self.process.stdout.read(8)
            assert len(said) == 8, "the writer has ended by itself"
            self.written = int.from_bytes(said, "little")

    def kill(self) -> int:
        """Kill it; return how much it had said that it wrote."""
        assert self.process.stdout is not None
        self.process.kill()
        rest = self.process.stdout.read()
        self.process.wait()
        self.process.stdout.close()
        whole = rest[: len(rest) // 8 * 8]
        return int.from_bytes(whole[-8:], "little") if whole else self.written


@contextmanager
def writing(folder: Path, seed: int) -> Iterator[Writer]:
    writer = Writer(folder, seed)
    try:
        yield writer
    finally:
        if writer.process.poll() is None:
            writer.kill()


def read_whole(store: DirectoryStore, position: int) -> int:
    """Read all from a position on, see that it is what was written, and return the position behind."""
    with store.read(ADDRESS) as reader:
        for stored in reader.blocks(position):
            assert stored.position == position
            assert is_whole(stored.block)
            position += len(stored.block)
    return position


def test_writers_that_are_killed_lose_nothing_they_have_acknowledged(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    random = np.random.default_rng(1)
    position = 0
    followed: list[int] = []
    with DirectoryStore(tmp_path / "store", segment_bytes=SEGMENT_BYTES) as store, store.read(ADDRESS) as reader:
        follower = threading.Thread(target=follow, args=(reader, followed))
        follower.start()
        for seed in range(500 if request.config.getoption("--long") else 20):
            with writing(tmp_path / "store", seed) as writer:
                writer.wait(int(random.integers(1, 60)))
                acknowledged = writer.kill()
            info = store.info(ADDRESS)
            assert info.state is StreamState.STALLED
            assert info.count >= acknowledged > position
            assert (info.missing, info.last_id) == (0, info.count)
            position = read_whole(store, position)
            assert position == info.count
        with store.write(ADDRESS) as last:
            assert last.written == position
            last.append(block(position + 1, 1))
            last.finish()
        follower.join()
        assert store.verify(ADDRESS).problems == []
        assert followed == [position + 1]


def follow(reader: StreamReader, found: list[int]) -> None:
    """Read as it comes until the end, and tell how much that was, if all of it was whole and in order."""
    position = 0
    while reader.wait(position, PATIENCE_S):
        before = position
        for stored in reader.blocks(position):
            assert stored.position == position
            assert is_whole(stored.block)
            position += len(stored.block)
        if position == before:
            break
    found.append(position)


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store") as store, writing(tmp_path / "store", 1) as writer:
        writer.wait(1)
        assert store.info(ADDRESS).state is StreamState.OPEN
        with pytest.raises(ConflictError, match=rf"process {writer.process.pid} of {os.uname().nodename}"):
            store.write(ADDRESS)
        with pytest.raises(ConflictError):
            store.delete(ADDRESS)
        with pytest.raises(ConflictError):
            store.rebuild(ADDRESS)
        writer.kill()
        assert store.delete(ADDRESS)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("rows", [1, 40])
def test_a_full_disk_stops_nothing_but_the_block_that_has_no_room(tmp_path: Path, rows: int) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk, DirectoryStore(disk / "store") as store:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1_200_000))
        with store.write(ADDRESS) as writer:
            for round_ in range(3):
                written = writer.written
                fill(writer, rows)
                assert writer.written > written
                assert writer.last_id == writer.written
                assert read_whole(store, 0) == writer.written == store.info(ADDRESS).count
                assert store.verify(ADDRESS).problems == []
                assert not writer.present(np.array([writer.written + 1], np.uint64)).any()
                ballast.write_bytes(bytes(900_000 - 300_000 * round_))
            written = writer.written
        assert read_whole(store, 0) == written
        with store.write(ADDRESS) as writer:
            assert writer.written == written
            fill(writer, rows)
            ballast.unlink()
            writer.finish()
        assert store.verify(ADDRESS).problems == []


def test_retention_makes_room_on_a_full_disk(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "4m") as disk,
        DirectoryStore(disk / "store", segment_bytes=200_000) as store,
        store.write(ADDRESS) as writer,
    ):
        (disk / "ballast").write_bytes(bytes(300_000))
        set_retention(store, ADDRESS, Retention(age_s=0))
        pin_group(store, ADDRESS, "fit")
        with pytest.raises(StoreFullError, match=r"go on when there is room.*'fit' has acknowledged nothing yet"):
            append_for_ever(writer, 40)
        assert store.info(ADDRESS).removed == 0
        assert read_whole(store, 0) == writer.written
        (disk / "ballast").unlink()
        pin_group(store, ADDRESS, "fit", is_pinned=False)
        for _ in range(200):
            writer.append(block(writer.last_id + 1, 40))
        assert store.info(ADDRESS).removed > 0
        assert store.verify(ADDRESS).problems == []
        with pytest.raises(ConflictError):
            writer.append(block(1, 40))


def fill(writer: StreamWriter, rows: int) -> None:
    """Append until there is no room."""
    with pytest.raises(StoreFullError, match="go on when there is room"):
        append_for_ever(writer, rows)


def append_for_ever(writer: StreamWriter, rows: int) -> None:
    while True:
        writer.append(block(writer.last_id + 1, rows))


def test_a_writer_without_room_for_anything_is_refused(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        (disk / "ballast").write_bytes(bytes(16_000))
        with DirectoryStore(disk / "store") as store:
            with pytest.raises(OSError, match="No space"):
                (disk / "rest").write_bytes(bytes(64_000))
            with pytest.raises(StoreFullError):
                store.write(ADDRESS)
            (disk / "rest").unlink()
            with store.write(ADDRESS) as writer:
                writer.append(block(1, 1))
            assert read_whole(store, 0) == 1


def test_a_limit_for_the_size_of_files(tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store") as store, store.write(ADDRESS) as writer:
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal_before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, old[1]))
        try:
            fill(writer, 40)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            signal.signal(signal.SIGXFSZ, signal_before)
        written = writer.written
        assert read_whole(store, 0) == written > 0
        writer.append(block(written + 1, 40))
        assert read_whole(store, 0) == written + 40
