"""What the files of a stream are called, and how one is replaced so that nobody sees half of it."""

import os
import threading
from pathlib import Path
from typing import Final

__all__ = ["LOCK", "REMOVED", "STATE", "index_name", "replace_file", "segment_name", "segment_numbers", "sync_folder"]

STATE: Final = "state"
LOCK: Final = "lock"
REMOVED: Final = "removed"
_SEGMENT: Final = ".seg"
_INDEX: Final = ".idx"


def segment_name(number: int) -> str:
    """Return the name of a segment's file."""
    return f"{number:010d}{_SEGMENT}"


def index_name(number: int) -> str:
    """Return the name of the index of a segment."""
    return f"{number:010d}{_INDEX}"


def segment_numbers(folder: Path) -> list[int]:
    """Return the numbers of the segments there are, ascending; none if there is no such folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  # a third of the time: this is done for thousands of streams
    except FileNotFoundError:
        return []
    stems = (name[: -len(_SEGMENT)] for name in names if name.endswith(_SEGMENT))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def replace_file(path: Path, data: bytes, *, sync: bool) -> None:
    """Write a file so that there is the old one or the new one at every moment; with ``sync`` also without power."""
    # A name of its own: two may make the same store at once.
    draft = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_native_id()}.new")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if sync:
                os.fdatasync(fd)
        finally:
            os.close(fd)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder survive a loss of power."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
