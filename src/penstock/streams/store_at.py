"""One way to name a store in text, wherever somebody writes it: on a command line, in a pipeline file, in Python."""

from pathlib import Path
from typing import Literal

from penstock.errors import StreamError
from penstock.streams.directory import DirectoryStore
from penstock.streams.store import Store

__all__ = ["Absent", "store_at"]

Absent = Literal["refuse", "later", "make"]
"""What to do where there is no store yet: refuse it, leave it to the first writer, make it at once."""

ABOUT = "penstock-store.json"
"""The file by which a folder is known to be a store."""


def store_at(where: str, *, absent: Absent = "refuse") -> Store:
    """Open the store that a text names.

    Parameters
    ----------
    where
        A folder, or ``tcp://HOST:PORT`` of a server; the token for that one is ``PENSTOCK_STREAMS_TOKEN``.
    absent
        What to do about a folder that holds no store.

    Raises
    ------
    StreamError
        If it names none, or the store cannot be opened.
    ServiceError
        If the server cannot be reached, or does not take this client.
    IntegrityError
        If the store does not say what it is any more.
    """
    if where == "memory:":
        raise StreamError('"memory:" is a store within one process, and nothing of it would be left; name a folder')
    scheme, has_scheme, _ = where.partition("://")
    if has_scheme and scheme == "tcp":
        from penstock.streams.remote_store import RemoteStore  # few need sockets

        return RemoteStore(where)
    if has_scheme:
        raise StreamError(f'there is no store of the kind "{scheme}:"; name a folder or tcp://HOST:PORT')
    if not where:
        raise StreamError("no store is named; name a folder")
    return _folder(Path(where).expanduser(), absent)


def _folder(path: Path, absent: Absent) -> Store:
    try:
        if absent == "refuse" and not (path / ABOUT).is_file():
            there = "holds no store" if path.is_dir() else "is not there" if not path.exists() else "is no folder"
            raise StreamError(f"{path} {there}; name the folder of a store")
        return DirectoryStore(path, make=absent == "make")
    except OSError as error:
        raise StreamError(f"{path} cannot be opened: {error.strerror}") from error
