"""A store by the name that a pipeline or a command gives it."""

from pathlib import Path

from penstock.streams.store import Store

__all__ = ["DEFAULT_STORE", "named_from_anywhere", "opened_store"]

DEFAULT_STORE = "penstock-data"
"""A folder beside the pipeline's file."""


def opened_store(name: str, folder: Path | str = ".") -> Store:
    """Open a store, which is the caller's to close.

    Parameters
    ----------
    name
        A folder, in which the first who writes makes the store if it is not there; or ``tcp://HOST:PORT`` of a
        server, for which the token is ``PENSTOCK_STREAMS_TOKEN``.
    folder
        Where the relative name of a folder starts.

    Raises
    ------
    StreamError
        If it cannot be had, or it names no store.
    ServiceError
        If the server cannot be reached, or does not take this client.
    """
    if "://" in name:
        from penstock.streams.store_at import store_at  # few need sockets

        return store_at(name)
    from penstock.streams.directory.store import DirectoryStore  # with SQLite, which few need

    return DirectoryStore(Path(folder, name).expanduser())


def named_from_anywhere(name: str, folder: Path | str = ".") -> str:
    """Return the name by which a store is opened whatever the current folder is; empty if it has none.

    >>> named_from_anywhere("tcp://store:8410"), named_from_anywhere("data", "/beamtime")
    ('tcp://store:8410', '/beamtime/data')
    """
    return name if "://" in name or not name else str(Path(folder, name).expanduser().absolute())
