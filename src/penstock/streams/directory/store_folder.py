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

__all__ = ["GONE", "STREAMS", "below", "make_folders", "open_folder"]

FORMAT: Final = 1
STREAMS: Final = "streams"
GONE: Final = "removed"
"""Where streams go before they are deleted."""
_ABOUT: Final = "penstock-store.json"


class _About(msgspec.Struct, frozen=True):
    """What the store's own file says."""

    format: int
    """Of everything in it."""


def open_folder(path: Path) -> None:
    """Make a store, or make sure that it is one of a version that is known.

    Raises
    ------
    StreamError
        If it is not.
    """
    about = path / _ABOUT
    try:
        said = msgspec.json.decode(about.read_bytes(), type=_About)
    except FileNotFoundError:
        _make_store(path)
        return
    except msgspec.MsgspecError as error:
        raise IntegrityError(f"{about}: it does not say what store this is: {error}") from error
    if said.format != FORMAT:
        raise StreamError(f"{path}: a store of format {said.format}; this version knows {FORMAT}")
    if (path / GONE).exists():  # somebody was killed while deleting
        shutil.rmtree(path / GONE, ignore_errors=True)


def _make_store(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise StreamError(f"{path}: the folder that it should be in is not there") from error
    others = sorted(
        entry.name for entry in path.iterdir() if not entry.name.startswith(_ABOUT) and entry.name != STREAMS
    )
    if others and not (path / _ABOUT).exists():  # else somebody has made it meanwhile
        raise StreamError(f"{path}: there is something else in it ({others[0]}); give a store a folder of its own")
    (path / STREAMS).mkdir(exist_ok=True)
    replace_file(path / _ABOUT, msgspec.json.encode(_About(FORMAT)) + b"\n", sync=True)


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
