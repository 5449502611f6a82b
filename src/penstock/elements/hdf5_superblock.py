"""The first bytes of an HDF5 file: say that nobody writes it any more, if its writer was killed.

HDF5 notes there that a file is open for writing, and refuses it to ordinary readers until somebody takes the note out.
Layout and checksum are those of the HDF5 file format specification, version 3 of the superblock; other versions have
no such note.
"""

from pathlib import Path
from typing import Final

__all__ = ["mark_closed"]

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
VERSION: Final = 3
FLAGS_AT: Final = 11
END_OF_FILE_AT: Final = 28
CHECKSUM_AT: Final = 44
SIZE: Final = 48
WIDE: Final = 8
"""Bytes of an address, as everybody has them."""


def mark_closed(path: Path) -> bool:
    """Take out the note that a file is being written, and let it end where it ends; return whether there was one.

    Only for a file whose writer is dead: what it had flushed is what there is.

    Raises
    ------
    OSError
        If it cannot be read or written.
    """
    with path.open("r+b") as file:
        block = bytearray(file.read(SIZE))
        is_known = len(block) == SIZE and block[:8] == SIGNATURE and block[8] == VERSION and block[9] == WIDE
        if not is_known or not block[FLAGS_AT]:
            return False
        block[FLAGS_AT] = 0
        block[END_OF_FILE_AT : END_OF_FILE_AT + WIDE] = path.stat().st_size.to_bytes(WIDE, "little")
        block[CHECKSUM_AT:] = _checksum(bytes(block[:CHECKSUM_AT])).to_bytes(4, "little")
        file.seek(0)
        file.write(block)
    return True


def _checksum(data: bytes) -> int:
    """Return Bob Jenkins' lookup3 hash (public domain) of some bytes, 32 bits, from 0."""
    a = b = c = (0xDEADBEEF + len(data)) & 0xFFFFFFFF
    at = 0
    while len(data) - at > 12:
        a, b, c = _mixed(*_added(a, b, c, data[at : at + 12]))
        at += 12
    return _final(*_added(a, b, c, data[at:].ljust(12, b"\0"))) if at < len(data) else c


def _added(a: int, b: int, c: int, piece: bytes) -> tuple[int, int, int]:
    words = [int.from_bytes(piece[k : k + 4], "little") for k in (0, 4, 8)]
    return (a + words[0]) & 0xFFFFFFFF, (b + words[1]) & 0xFFFFFFFF, (c + words[2]) & 0xFFFFFFFF


def _turned(value: int, bits: int) -> int:
    return (value << bits | value >> (32 - bits)) & 0xFFFFFFFF


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):  # after each step the three change places
        a = ((a - c) & 0xFFFFFFFF) ^ _turned(c, bits)
        c = (c + b) & 0xFFFFFFFF
        a, b, c = b, c, a
    return a, b, c


def _final(a: int, b: int, c: int) -> int:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _turned(b, bits)) & 0xFFFFFFFF
        a, b, c = b, c, a
    return b
