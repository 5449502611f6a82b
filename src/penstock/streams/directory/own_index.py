"""Whether the index beside a segment is that segment's: both begin with the same token."""

import os
from pathlib import Path

from penstock.streams.directory.file_names import index_name, segment_name
from penstock.streams.segment import INDEX, RECORD_BYTES, SEGMENT, FileHeader, FileKind

__all__ = ["own_index"]


def own_index(folder: Path, number: int) -> FileHeader | None:
    """Return how the index of a segment begins; ``None`` if there is none, or it is damaged or another one's."""
    index = _begin(folder / index_name(number), INDEX)
    if index is None or index.number != number:
        return None
    segment = _begin(folder / segment_name(number), SEGMENT)  # damaged, or not there yet: nothing speaks against it
    return index if segment is None or segment.token == index.token else None


def _begin(path: Path, kind: FileKind) -> FileHeader | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return FileHeader.decode(os.pread(fd, RECORD_BYTES, 0), kind)
    finally:
        os.close(fd)
