"""A waker misses nothing, also of folders that appear while it begins to watch, nor that the reader is closed."""

import select
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.core.stream_address import StreamAddress
from penstock.errors import StateError
from penstock.streams.directory.reader import DirectoryReader
from penstock.streams.directory.waker import Waker

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
        assert select.select([waker.fileno()], [], [], 0)[0]
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
        assert select.select([waker.fileno()], [], [], 0)[0]
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
