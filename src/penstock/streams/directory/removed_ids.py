"""The small file that remembers which ids retention has taken away from a stream: they are never there again."""

import struct
from pathlib import Path
from typing import Final

import crc32c

from penstock.core.id_set import IdSet
from penstock.errors import IntegrityError
from penstock.streams.directory.file_names import REMOVED, replace_file

__all__ = ["read_removed", "write_removed"]

_HEAD: Final = struct.Struct("<8sHHIQ")
_MAGIC: Final = b"PENSTRMV"
_VERSION: Final = 1


def read_removed(folder: Path) -> IdSet:
    """Return the ids that retention has taken away from a stream.

    Raises
    ------
    IntegrityError
        If the file is damaged.
    """
    path = folder / REMOVED
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return IdSet()
    body = data[_HEAD.size :]
    n = len(body) // 16
    if len(data) < _HEAD.size or _HEAD.unpack_from(data) != (_MAGIC, _VERSION, 0, crc32c.crc32c(body), n):
        raise IntegrityError(f"{path}: the list of removed ids is not what was written")
    return IdSet.from_tables(body[: 8 * n], body[8 * n :])


def write_removed(folder: Path, removed: IdSet) -> None:
    """Remember them; they survive a loss of power when it returns."""
    firsts, lasts = removed.tables()
    body = firsts + lasts
    head = _HEAD.pack(_MAGIC, _VERSION, 0, crc32c.crc32c(body), len(firsts) // 8)
    replace_file(folder / REMOVED, head + body, sync=True)
