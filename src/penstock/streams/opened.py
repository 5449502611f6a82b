"""A store by the name that a pipeline or a command gives it."""

from pathlib import Path

from penstock.errors import NotBuiltYetError
from penstock.streams.store import Store

__all__ = ["DEFAULT_STORE", "opened_store"]

DEFAULT_STORE = "penstock-data"
"""A folder beside the pipeline's file."""


def opened_store(name: str, folder: Path | str = ".") -> Store:
    """Open a store, which is the caller's to close.

    Parameters
    ----------
    name
        A folder; the first who writes makes the store, if it is not there.
    folder
        Where a relative name starts.

    Raises
    ------
    NotBuiltYetError
        If it is no folder but the address of a server.
    StreamError
        If it cannot be had.
    """
    if "://" in name:
        raise NotBuiltYetError(f"store {name}: a store on a server is not built yet; name a folder")
    from penstock.streams.directory.store import DirectoryStore  # with SQLite, which few need

    return DirectoryStore(Path(folder, name).expanduser())
