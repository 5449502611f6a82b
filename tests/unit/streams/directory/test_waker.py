"""A waker misses nothing, also of folders that appear while it begins to watch, nor that the reader is closed."""

import select
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from penstock.core.stream_address import StreamAddress
from penstock.errors import StateError
from penstock.streams.directory import DirectoryStore
from penstock.streams.directory.reader import DirectoryReader
from penstock.streams.directory.waker import Waker
from tests.unit.streams.directory.stored_cases import block

PATIENCE_S = 20


@pytest.mark.parametrize("lacking", ["a/b/c", "a/b"])
def test_folders_made_before_the_watch_above_them_are_seen(tmp_path: Path, lacking: str) -> None:
    folder, late = tmp_path / "a" / "b" / "c", tmp_path / lacking
    late.parent.mkdir(parents=True)

    class Racing(Waker):
        """Somebody makes the folder just after it was looked for."""

        def _can_watch(self, path: Path, mask: int) -> bool:
            can = super()._can_watch(path, mask)
            if path == late:
                folder.mkdir(parents=True, exist_ok=True)
            return can

    waker = Racing(folder, tmp_path)
    try:
        waker.watch(None)
        assert folder.is_dir()
        waker.quiet()
        (folder / "0000000001.idx").write_bytes(b"")
        assert select.select([waker.fileno()], [], [], PATIENCE_S)[0]
    finally:
        waker.close()


@pytest.mark.parametrize("made", ["a", "a/b", "a/b/c"])
def test_a_folder_made_just_before_all_is_looked_at_is_seen(tmp_path: Path, made: str) -> None:
    folder = tmp_path / "a" / "b" / "c"

    waker = Waker(folder, tmp_path)
    try:
        waker.watch(None)
        (tmp_path / made).mkdir(parents=True)
        while waker.quiet():
            waker.watch(None)
        folder.mkdir(parents=True, exist_ok=True)
        while waker.quiet():
            waker.watch(None)
        (folder / "0000000001.idx").write_bytes(b"")
        assert select.select([waker.fileno()], [], [], PATIENCE_S)[0]
    finally:
        waker.close()


class _Late(Waker):
    """Calls something once, in the middle of a ``watch``."""

    call: Callable[[], object] = staticmethod(lambda: None)

    def watch(self, index: Path | None) -> None:
        super().watch(index)
        call, self.call = self.call, lambda: None
        call()


def test_a_reader_closed_while_it_begins_to_wait_says_so(tmp_path: Path) -> None:
    wakers: list[_Late] = []

    def make(folder: Path, top: Path) -> Waker:
        wakers.append(_Late(folder, top))
        wakers[0].call = close_beside
        return wakers[0]

    reader = DirectoryReader(StreamAddress("b", "s", "1"), tmp_path / "b" / "s" / "1", tmp_path, wakers=make)
    closer = threading.Thread(target=reader.close)

    def close_beside() -> None:
        closer.start()
        assert select.select([wakers[0].fileno()], [], [], PATIENCE_S)[0]  # it has told, and waits for the reader

    found: list[BaseException] = []

    def wait() -> None:
        try:
            reader.wait(0)
        except StateError as error:
            found.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert len(found) == 1
    closer.join(PATIENCE_S)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def inotify_instances() -> int:
    found = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum("inotify" in target for target in found)


def test_all_who_wait_share_one_instance_and_each_is_told_its_own(tmp_path: Path) -> None:
    before = inotify_instances()
    wakers = [Waker(tmp_path / str(k), tmp_path) for k in range(50)]
    for k, waker in enumerate(wakers):
        (tmp_path / str(k)).mkdir()
        waker.watch(None)
        waker.quiet()
    assert inotify_instances() == before + 1
    for k in (7, 31, 49):
        (tmp_path / str(k) / "0000000001.idx").write_bytes(b"")
        assert select.select([wakers[k].fileno()], [], [], PATIENCE_S)[0]
    ready = select.select(wakers, [], [], 0)[0]
    assert [wakers.index(waker) for waker in ready] == [7, 31, 49]
    for waker in wakers:
        waker.close()
    assert inotify_instances() == before
    assert not [thread for thread in threading.enumerate() if thread.name == "stream-notices"]


def test_one_who_goes_takes_nothing_from_others_that_watch_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    stays, goes = Waker(tmp_path / "a", tmp_path), Waker(tmp_path / "a", tmp_path)
    for waker in (stays, goes):
        waker.watch(None)
        waker.quiet()
    goes.close()
    (tmp_path / "a" / "0000000001.idx").write_bytes(b"")
    assert select.select([stays.fileno()], [], [], PATIENCE_S)[0]
    stays.close()


def test_a_folder_that_is_made_anew_is_watched_anew_by_all(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    wakers = [Waker(tmp_path / "a", tmp_path) for _ in range(2)]
    for waker in wakers:
        waker.watch(None)
        waker.quiet()
    (tmp_path / "a").rmdir()
    (tmp_path / "a").mkdir()
    for waker in wakers:
        assert waker.quiet()
        waker.watch(None)
        assert not waker.quiet()
    (tmp_path / "a" / "0000000001.idx").write_bytes(b"")
    for waker in wakers:
        assert select.select([waker.fileno()], [], [], PATIENCE_S)[0]
        waker.close()


def test_where_the_kernel_has_lost_some_all_look_at_everything(tmp_path: Path) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    busy, other = Waker(tmp_path / "a", tmp_path), Waker(tmp_path / "b", tmp_path)
    for waker in (busy, other):
        waker.watch(None)
        waker.quiet()
    with busy._notices._lock:  # nobody reads meanwhile
        for k in range(most // 2 + 2):
            (tmp_path / "a" / str(k % 2)).touch()
            (tmp_path / "a" / str(k % 2)).unlink()
    for waker in (busy, other):
        assert waker.quiet()
        waker.watch(None)
        assert not waker.quiet()
    (tmp_path / "b" / "0000000001.idx").write_bytes(b"")
    assert select.select([other.fileno()], [], [], PATIENCE_S)[0]
    busy.close()
    other.close()


def test_a_process_that_was_forked_has_an_instance_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    waker = Waker(tmp_path / "a", tmp_path)
    waker.watch(None)
    waker.quiet()
    child = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path)], timeout=50, check=False)
    assert child.returncode == 0
    waker.close()


FORKED = """
import os, select, sys
from pathlib import Path
from penstock.streams.directory.waker import Waker

top = Path(sys.argv[1])
ours = Waker(top / "a", top)
ours.watch(None)
ours.quiet()
child = os.fork()
if not child:
    theirs = Waker(top / "a", top)
    theirs.watch(None)
    theirs.quiet()
    (top / "a" / "0000000001.idx").write_bytes(b"")
    os._exit(0 if select.select([theirs], [], [], 20)[0] else 1)
assert os.waitpid(child, 0)[1] == 0
assert select.select([ours], [], [], 20)[0]
ours.close()
"""


def test_five_hundred_readers_wait_with_one_instance_and_a_descriptor_each(tmp_path: Path) -> None:
    descriptors, instances = open_descriptors(), inotify_instances()
    with DirectoryStore(tmp_path / "store", make=True) as store, ExitStack() as stack:
        readers = [stack.enter_context(store.read(StreamAddress("b", "s", str(k % 50)))) for k in range(500)]
        assert not any(reader.wait(0, 0) for reader in readers)
        assert inotify_instances() == instances + 1
        assert open_descriptors() - descriptors < 500 + 20
        ends = [threading.Thread(target=reader.wait, args=(0, PATIENCE_S)) for reader in readers]
        for end in ends:
            end.start()
        for k in range(50):
            with store.write(StreamAddress("b", "s", str(k)), sync="none") as writer:
                writer.append(block(1))
        for end in ends:
            end.join(PATIENCE_S)
        assert not any(end.is_alive() for end in ends)
        assert all(reader.info.count == 1 for reader in readers)
    assert open_descriptors() == descriptors
