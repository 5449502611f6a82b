"""The bytes of a message, wherever they are: in the stream, or in the file that the message speaks of."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.message import Message
from penstock.errors import IntegrityError, MissingMessageError, StreamError
from penstock.streams.file_exposer import EXPOSED, FileExposer

__all__ = ["retrieve"]


def retrieve(message: Message, root: str | PathLike[str] | None = None) -> NDArray[Any]:
    """Return the first buffer of a message; of one without any, the bytes of its file, if it can be read here.

    Parameters
    ----------
    message
        Its metadata say where the file is: ``exposed_path``, below a root; or ``folder`` and ``name``. ``size``, if it
        is there, is what the file must have.
    root
        The folder below which ``raw/`` and ``processed/`` are, on this machine.

    Returns
    -------
    NDArray[Any]
        The buffer as it was sent, or (n,) ``uint8`` of a file.

    Raises
    ------
    MissingMessageError
        If the file is not there, or cannot be read.
    IntegrityError
        If it has another size.
    StreamError
        If the message speaks of no file.
    """
    if message.buffers:
        return message.buffers[0]
    path = _path_of(message, root)
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise MissingMessageError(f"message {message.id}: its file {path} cannot be read: {error.strerror}") from error
    size = message.metadata.get("size", data.size)
    if size != data.size:
        raise IntegrityError(f"message {message.id}: its file {path} has {data.size} bytes, not {size}")
    data.flags.writeable = False
    return data


def _path_of(message: Message, root: str | PathLike[str] | None) -> Path:
    metadata = message.metadata
    if EXPOSED in metadata and root is not None:
        return FileExposer(root).path_of(metadata[EXPOSED])
    if {"name", "folder"} <= metadata.keys():
        return Path(metadata["folder"], metadata["name"])
    if EXPOSED in metadata:
        raise StreamError(f"message {message.id}: its file is {metadata[EXPOSED]}; say below which root")
    raise StreamError(f"message {message.id} has no buffer, and speaks of no file")
