"""Reads one file whole, and notices if somebody writes it meanwhile."""

import io
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from penstock.errors import StreamError
from penstock.streams.file_settling import Shape

__all__ = ["ReadFile", "read_file", "shape_of"]


class ReadFile(NamedTuple):
    """A file as it was."""

    path: str
    shape: Shape
    data: Any
    """``bytes``, an array, or ``None`` if only what it is called was asked for."""


def shape_of(path: str) -> Shape | None:
    """Return how a file is; ``None`` if there is none, or what is there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116  # a third of the time: this is done for thousands of files
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Shape(found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def read_file(path: str, *, payload: bool = True, arrays: bool = False) -> ReadFile | None:
    """Read a file; ``None`` if it changed meanwhile.

    Parameters
    ----------
    payload
        Whether its bytes are wanted.
    arrays
        Whether a file that ends in ``.npy`` becomes the array that it holds.

    Raises
    ------
    FileNotFoundError
        If it is not there any more.
    OSError
        If it cannot be read.
    StreamError
        If it is no file, or holds no array although it says so.
    """
    # Not blocking: whoever opens a pipe would wait for its other end.
    with io.FileIO(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise StreamError(f"{path}: it is no file")
        shape = Shape(before.st_size, before.st_mtime_ns)
        if not payload:
            return ReadFile(path, shape, None)
        data = file.readall()
        after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != shape or len(data) != shape.size:
        return None
    return ReadFile(path, shape, _array(path, data) if arrays and Path(path).suffix == ".npy" else data)


def _array(path: str, data: bytes) -> Any:  # Any: an array of any dtype
    try:
        return np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise StreamError(f"{path}: it holds no array: {error}") from error
