"""What can only be done to a store that is a folder of this machine."""

from typing import TYPE_CHECKING

from penstock.cli.streams.options import wrong

if TYPE_CHECKING:
    from penstock.streams.directory import DirectoryStore
    from penstock.streams.store import Store

__all__ = ["in_folder"]


def in_folder(store: "Store", where: str) -> "DirectoryStore":
    """Return a store as the folder it is.

    Raises
    ------
    CheckError
        If it is none.
    """
    from penstock.streams.directory import DirectoryStore

    if not isinstance(store, DirectoryStore):
        raise wrong("--store", f"{where} is no folder", "do this where the store is, and name its folder")
    return store
