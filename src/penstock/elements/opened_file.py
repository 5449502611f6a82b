"""One file opened into items by user code, whatever that gives: a list, a generator, or items and their number."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["OpenHook", "OpenedFile", "lines_of", "opened_file"]

OpenHook = Callable[[Path], Any]
PAIR: Final = 2


class OpenedFile(NamedTuple):
    """A file that has been opened."""

    items: Iterable[Any]
    total: int | None
    """How many there will be, if that is known."""


def opened_file(path: Path, hook: OpenHook) -> OpenedFile:
    """Open a file.

    Parameters
    ----------
    hook
        Gets the path; gives a list, a generator or anything else that can be iterated and is no text and no mapping, or
        ``(items, number of items)``. What has a length says so how many there are.

    Raises
    ------
    TypeError
        If it gives something else.
    Exception
        Whatever the hook raises.
    """
    found = hook(path)
    total: int | None = None
    if isinstance(found, tuple) and len(found) == PAIR and _is_number(found[1]) and _is_many(found[0]):
        found, total = found
    if not _is_many(found):
        raise TypeError(f"opening gave {type(found).__name__}; return a list or a generator of items")
    if total is None:
        with suppress(TypeError, NotImplementedError):
            total = len(found)
    return OpenedFile(found, total)


def lines_of(path: Path) -> Iterator[str]:
    """Give the lines of a text in UTF-8, without their ends: what is done with files if no code is named."""
    with path.open(encoding="utf-8", newline="") as file:
        for line in file:
            yield line.removesuffix("\n").removesuffix("\r")


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_many(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | Mapping)
