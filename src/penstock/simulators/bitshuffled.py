"""Images as detectors compress them: bitshuffle and LZ4, framed as HDF5's filter does."""

import struct
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.extra import extra

__all__ = ["bitshuffled"]

HEAD: Final = struct.Struct(">QI")
"""Bytes of the array, and bytes of a block: what HDF5's filter 32008 (bshuf_h5filter.c) writes before the blocks."""
BLOCK_BYTES: Final = 8192


def bitshuffled(image: NDArray[Any]) -> bytes:
    """Compress an image.

    Raises
    ------
    MissingExtraError
        If bitshuffle is not installed.
    """
    with extra("compression"):
        library: Any = import_module("bitshuffle.ext")  # it has no annotations
    block = BLOCK_BYTES // image.itemsize
    blocks: bytes = library.compress_lz4(np.ascontiguousarray(image), block).tobytes()
    return HEAD.pack(image.nbytes, BLOCK_BYTES) + blocks
