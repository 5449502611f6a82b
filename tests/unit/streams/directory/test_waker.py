"""A waker misses nothing, also of folders that appear while it begins to watch."""

import select
from pathlib import Path

import pytest

from penstock.streams.directory.waker import Waker


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
