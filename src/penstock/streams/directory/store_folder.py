"""The folder of a store: its version, and the folders of its streams."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import msgspec

from penstock.core.stream_address import StreamAddress
from penstock.errors import IntegrityError, StreamError
from penstock.streams.directory.file_names import replace_file, sync_folder

__all__ = ["GONE", "STREAMS", "below", "is_store", "make_folders", "make_store"]

FORMAT: Final = 1
STREAMS: Final = "streams"
GONE: Final = "removed"
"""Where streams go before they are deleted."""
_ABOUT: Final = "penstock-store.json"


class _About(msgspec.Struct, frozen=True):
    """What the store's own file says."""

    format: int
    """Of everything in it."""


def is_store(path: Path) -> bool:
    """Whether there is a store, of a version that is known; if not, one can be made there. Nothing is changed.

    Raises
    ------
    StreamError
        If it is of another version, or none can be made there.
    """
    about = path / _ABOUT
    try:
        said = msgspec.json.decode(about.read_bytes(), type=_About)
    except FileNotFoundError:
        return _has_been_made(path)
    except msgspec.MsgspecError as error:
        raise IntegrityError(f"{about}: it does not say what store this is: {error}") from error
    if said.format != FORMAT:
        raise StreamError(f"{path}: a store of format {said.format}; this version knows {FORMAT}")
    return True


def _has_been_made(path: Path) -> bool:
    """Make sure that there is nothing but what several who make one at once leave there; return whether one has."""
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except FileNotFoundError as error:
        if not path.parent.is_dir():
            raise StreamError(f"{path}: the folder that it should be in is not there") from error
        return False
    others = [name for name in names if not name.startswith(_ABOUT) and name != STREAMS]
    if (path / _ABOUT).exists():  # somebody has made it meanwhile
        return True
    if others:
        raise StreamError(f"{path}: there is something else in it ({others[0]}); give a store a folder of its own")
    return False


def make_store(path: Path) -> None:
    """Make a store if there is none; any number of processes may at once. What was being deleted is deleted.

    Raises
    ------
    StreamError
        As ``is_store``.
    """
    if not is_store(path):
        path.mkdir(exist_ok=True)
        (path / STREAMS).mkdir(exist_ok=True)
        replace_file(path / _ABOUT, msgspec.json.encode(_About(FORMAT)) + b"\n", sync=True)
    if (path / GONE).exists():  # somebody was killed while deleting
        shutil.rmtree(path / GONE, ignore_errors=True)


def make_folders(folder: Path, *, is_synced: bool) -> None:
    """Make a folder and those it is in, if they are not there."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folders(folder.parent, is_synced=is_synced)
        make_folders(folder, is_synced=is_synced)
        return
    if is_synced:
        sync_folder(folder.parent)


def below(folder: Path, names: tuple[str, ...]) -> Iterator[StreamAddress]:
    """Yield the addresses of all folders of streams below the folder of some names."""
    if len(names) == 3:
        yield StreamAddress(*names)
        return
    try:
        entries = os.listdir(folder)  # noqa: PTH208  # a third of the time: there may be thousands
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in entries:
        yield from below(folder / name, (*names, unquote(name)))
