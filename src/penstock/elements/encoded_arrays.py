"""Compressed arrays on their way into a file: the bytes as they came, and the HDF5 filter that undoes them.

The numbers of the filters are those that the HDF Group has registered; readers need their plug-ins, such as those of
the package hdf5plugin. Writing needs none. Nothing is decoded here.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.message import Message

__all__ = ["FILTERS", "Encoded", "encoded_of", "raw_of"]

FILTERS: Final = {"bslz4": 32008, "bszstd": 32008, "lz4": 32004, "blosc": 32001, "zstd": 32015}
"""HDF5's number of each encoding's filter; the bytes of a chunk are the encoding's own in each of them."""
BITSHUFFLE_VERSION: Final = (0, 5)
"""Whose filter it says it is; it reads those of all versions."""
BITSHUFFLE_THEN: Final = {"bslz4": 2, "bszstd": 3}
"""What it calls the compression that follows it."""
BLOSC_FORMAT: Final = 2
"""The last that filter 32001 reads; Blosc2 has later ones."""
LZ4_FRAME: Final = b"\x04\x22\x4d\x18"
MOST_LZ4_BYTES: Final = 0x7E000000
"""Of a block, before it is compressed."""


@dataclass(slots=True, kw_only=True)
class Encoded:
    """n compressed arrays of one dtype and shape."""

    name: str
    """The encoding's."""
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    chunks: Sequence[NDArray[np.uint8]]
    """n times (bytes,)."""

    @property
    def kind(self) -> str:
        """What those in one dataset have in common, in words."""
        return f"{self.name} of {self.dtype.str}{list(self.shape)}"

    @property
    def filter(self) -> tuple[int, tuple[int, ...]]:
        """The number of the filter, and what it is told."""
        number = FILTERS[self.name]
        if (
            self.name in BITSHUFFLE_THEN
        ):  # the version, bytes of an element, its own length of blocks, what follows the shuffle
            return number, (*BITSHUFFLE_VERSION, self.dtype.itemsize, 0, BITSHUFFLE_THEN[self.name])
        if self.name == "blosc":  # format of the filter and of Blosc, bytes of an element, bytes of the array
            nbytes = self.dtype.itemsize * int(np.prod(self.shape))
            return number, (2, 2, self.dtype.itemsize, nbytes)
        return number, ()

    def take(self, rows: NDArray[np.intp]) -> "Encoded":
        """Return some of them."""
        chunks = [self.chunks[row] for row in rows.tolist()]
        return Encoded(name=self.name, dtype=self.dtype, shape=self.shape, chunks=chunks)


def encoded_of(messages: Sequence[Message], k: int) -> Encoded | None:
    """Return the k-th buffers of messages whose encodings are the same; ``None`` if HDF5 cannot keep them so."""
    encodings = messages[0].encodings
    encoding = encodings[k] if k < len(encodings) else None
    if encoding is None or encoding.name not in FILTERS or not encoding.dtype or not encoding.shape:
        return None
    chunks = [raw_of(message, k) for message in messages]
    dtype, shape = np.dtype(encoding.dtype), tuple(encoding.shape)
    if encoding.name == "blosc" and any(int(chunk[0]) > BLOSC_FORMAT for chunk in chunks if len(chunk)):
        return None
    if encoding.name == "lz4":
        nbytes = dtype.itemsize * math.prod(shape)
        if nbytes > MOST_LZ4_BYTES or any(chunk[:4].tobytes() == LZ4_FRAME for chunk in chunks):
            return None
        chunks = [_with_lz4_header(chunk, nbytes) for chunk in chunks]
    return Encoded(name=encoding.name, dtype=dtype, shape=shape, chunks=chunks)


def _with_lz4_header(chunk: NDArray[np.uint8], nbytes: int) -> NDArray[np.uint8]:
    """Return an LZ4 block as filter 32004 has it: bytes of the array, of a block, and of this block compressed."""
    if not len(chunk) or chunk[0] == 0:  # what begins with so large a number of bytes has it already
        return chunk
    header = struct.pack(">QII", nbytes, nbytes, len(chunk))
    return np.concatenate((np.frombuffer(header, np.uint8), chunk))


def raw_of(message: Message, k: int) -> NDArray[Any]:
    """Return the k-th buffer of a message as it came, compressed if it is."""
    return message.buffers[k]
