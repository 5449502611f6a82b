"""What the kernel and the library see in real folders."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.errors import StreamError
from penstock.streams.folder_sight import FolderSight, How, Seen
from penstock.streams.kernel_sight import KernelSight
from penstock.streams.library_sight import LibrarySight


@pytest.fixture
def stop() -> Iterator[int]:
    descriptor = os.eventfd(0)
    yield descriptor
    os.close(descriptor)


def _until(sight: FolderSight, is_enough: Callable[[set[Seen]], bool]) -> set[Seen]:
    """Return what was seen until it is enough; the test's own timeout is the other way out."""
    seen: set[Seen] = set()
    while not is_enough(seen):
        seen.update(sight.wait(5))
    return seen


def _passes_over(folder: str) -> bool:
    return folder.endswith("/dark")


@pytest.fixture
def kernel(tmp_path: Path, stop: int) -> Iterator[KernelSight]:
    (tmp_path / "in").mkdir()
    sight = KernelSight([str(tmp_path / "in")], _passes_over, stop)
    yield sight
    sight.close()


def test_the_kernel_sees_closing_not_creating(tmp_path: Path, kernel: KernelSight) -> None:
    with (tmp_path / "in" / "a").open("wb") as file:
        file.write(b"1")
        file.flush()
        assert kernel.wait(0) == []
    assert kernel.wait(0) == [Seen(f"{tmp_path}/in/a", How.CLOSED)]
    with (tmp_path / "in" / "a").open("rb"):
        pass
    assert kernel.wait(0) == []


def test_the_kernel_sees_new_names(tmp_path: Path, kernel: KernelSight) -> None:
    (tmp_path / "out").write_bytes(b"1")
    (tmp_path / "out").rename(tmp_path / "in" / "a")
    (tmp_path / "in" / "a").rename(tmp_path / "in" / "b")
    (tmp_path / "in" / "c").hardlink_to(tmp_path / "in" / "b")
    assert kernel.wait(0) == [Seen(f"{tmp_path}/in/{name}", How.RENAMED) for name in "abc"]


def test_folders_that_appear_are_watched_with_what_was_in_them_before(tmp_path: Path, kernel: KernelSight) -> None:
    deep = tmp_path / "in" / "x" / "y"
    deep.mkdir(parents=True)
    (deep / "early").write_bytes(b"1")
    found = _until(kernel, lambda seen: len(seen) >= 1)
    (deep / "late").write_bytes(b"1")
    found |= _until(kernel, lambda seen: len(seen) >= 1)
    assert {seen.path for seen in found} == {f"{deep}/early", f"{deep}/late"}
    assert Seen(f"{deep}/late", How.CLOSED) in found


def test_a_folder_that_is_moved_is_known_by_its_new_name(tmp_path: Path, kernel: KernelSight) -> None:
    (tmp_path / "in" / "x" / "y").mkdir(parents=True)
    kernel.wait(0)
    (tmp_path / "in" / "x").rename(tmp_path / "in" / "z")
    kernel.wait(0)
    (tmp_path / "in" / "z" / "y" / "a").write_bytes(b"1")
    assert kernel.wait(0) == [Seen(f"{tmp_path}/in/z/y/a", How.CLOSED)]
    (tmp_path / "in" / "z").rename(tmp_path / "away")
    kernel.wait(0)
    (tmp_path / "away" / "y" / "b").write_bytes(b"1")
    assert kernel.wait(0) == []


def test_folders_that_are_passed_over_are_not_looked_into(tmp_path: Path, kernel: KernelSight) -> None:
    (tmp_path / "in" / "dark").mkdir()
    (tmp_path / "in" / "dark" / "a").write_bytes(b"1")
    assert kernel.wait(0) == []


def test_what_the_kernel_could_not_tell_is_looked_for(tmp_path: Path, kernel: KernelSight) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if most > 100_000:
        pytest.skip("the kernel keeps too many events for a test that makes more")
    kept = tmp_path / "in" / "kept"
    for number in range(most // 2 + 10):  # each makes two events: neighbours that are alike would be told as one
        (tmp_path / "in" / f"{number % 2}").write_bytes(b"")
        (tmp_path / "in" / f"{number % 2}").unlink()
    kept.write_bytes(b"1")
    # Each file was closed; of the last nothing is in the queue, which was full.
    assert Seen(str(kept), How.FOUND) in kernel.wait(0)


def test_that_a_watched_folder_is_gone_is_an_error(tmp_path: Path, kernel: KernelSight) -> None:
    (tmp_path / "in").rename(tmp_path / "away")
    with pytest.raises(StreamError, match="the watched folder is gone"):
        kernel.wait(0)


def test_who_asks_to_stop_ends_a_wait(kernel: KernelSight, stop: int) -> None:
    os.eventfd_write(stop, 1)
    assert kernel.wait(None) == []


@pytest.fixture(params=[False, True], ids=["told", "looks"])
def library(tmp_path: Path, stop: int, request: pytest.FixtureRequest) -> Iterator[LibrarySight]:
    (tmp_path / "in").mkdir()
    sight = LibrarySight([str(tmp_path / "in")], _passes_over, stop, longest_s=0.1, looks=request.param)
    yield sight
    sight.close()


def test_the_library_sees_files_also_in_folders_that_appear(tmp_path: Path, library: LibrarySight) -> None:
    (tmp_path / "in" / "a").write_bytes(b"1")
    (tmp_path / "in" / "dark").mkdir()
    deep = tmp_path / "in" / "x" / "y"
    deep.mkdir(parents=True)
    (deep / "b").write_bytes(b"1")
    wanted = {f"{tmp_path}/in/a", f"{deep}/b"}
    seen = _until(library, lambda seen: {one.path for one in seen} >= wanted)
    assert {one.path for one in seen} == wanted


def test_the_library_sees_that_a_file_changes(tmp_path: Path, library: LibrarySight) -> None:
    path = tmp_path / "in" / "a"
    path.write_bytes(b"1")
    _until(library, lambda seen: len(seen) > 0)
    path.write_bytes(b"22")
    later_ns = path.stat().st_mtime_ns + 10**10  # where the library looks, it compares whole seconds
    os.utime(path, ns=(later_ns, later_ns))
    assert _until(library, lambda seen: len(seen) > 0) == {Seen(str(path), How.CHANGED)}


def test_the_library_too_says_that_a_folder_is_gone(tmp_path: Path, library: LibrarySight) -> None:
    (tmp_path / "in").rename(tmp_path / "away")
    with pytest.raises(StreamError, match="the watched folder is gone"):
        _until(library, lambda _: False)


def test_who_asks_to_stop_ends_a_wait_of_the_library(library: LibrarySight, stop: int) -> None:
    os.eventfd_write(stop, 1)
    assert library.wait(None) == []
