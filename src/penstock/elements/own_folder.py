"""Tell an element where relative paths in its arguments start, if it wants to know."""

from typing import Any

__all__ = ["give_folder"]


def give_folder(thing: Any, folder: str) -> None:
    """Set the attribute ``folder`` of an object whose class declares it as a text, such as ``folder: str = "."``."""
    if isinstance(getattr(type(thing), "folder", None), str):
        thing.folder = folder
