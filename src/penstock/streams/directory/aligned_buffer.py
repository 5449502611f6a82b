"""Memory that begins at a page, for writing past the page cache: large blocks are put together in it.

Copying and the check sum go together, a piece that fits into the cache of a core at a time.
"""

import mmap
from typing import Final

import crc32c
import numpy as np
from numpy.typing import NDArray

from penstock.streams.segment import PAGE, RECORD_BYTES, Packed

__all__ = ["AlignedBuffer"]

_STEP: Final = 1 << 18


class AlignedBuffer:
    """As large as the largest block so far."""

    def __init__(self) -> None:
        self._room: NDArray[np.uint8] = np.empty(0, np.uint8)

    def fill(self, packed: Packed) -> tuple[NDArray[np.uint8], int]:
        """Return the bytes of a block, whole pages of them with room for its header, and the check sum."""
        length = -(-packed.nbytes // PAGE) * PAGE
        if length > len(self._room):
            self._room = np.frombuffer(mmap.mmap(-1, length), np.uint8)
        room, at, crc = self._room, RECORD_BYTES, 0
        for piece in (np.frombuffer(packed.head, np.uint8), *packed.pieces):
            for start in range(0, len(piece), _STEP):
                part = piece[start : start + _STEP]
                put = room[at : at + len(part)]
                put[:] = part
                crc = crc32c.crc32c(put.data, crc)
                at += len(part)
        room[at:length] = 0
        return room[:length], crc
