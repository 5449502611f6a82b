"""What ``penstock streams get`` does once its command line is read: messages, to wherever they go."""

import sys
from pathlib import Path

import numpy as np

from penstock.cli.streams.options import must_be_free
from penstock.cli.streams.shown import Stored, message_tree, printed_json, stored_messages
from penstock.core.stream_address import StreamAddress
from penstock.errors import MissingMessageError, SinkError
from penstock.streams.store import StreamReader

__all__ = ["BufferFiles", "get_messages"]


class BufferFiles:
    """Writes the buffers of messages to files whose names are made of one.

    Parameters
    ----------
    path
        Ends in ``.npy`` for arrays, ``.bin`` for bytes.
    is_single
        Whether there is one message only, whose first buffer goes to ``path`` itself.

    Raises
    ------
    CheckError
        If a file is there already, unless ``force``; this one, and later those of further buffers.
    """

    def __init__(self, path: Path, *, is_single: bool, force: bool) -> None:
        self._path = path
        self._is_single = is_single
        self._force = force
        if is_single:
            must_be_free(path, "--output", force=force)

    def write(self, stored: Stored) -> list[str]:
        """Write the buffers of one message; return the names of the files.

        Raises
        ------
        SinkError
            If one cannot be written, or is no array.
        """
        message, encodings = stored
        names = []
        for number, buffer in enumerate(message.buffers):
            path = self._path_of(message.id, number)
            encoding = encodings[number] if number < len(encodings) else None
            if encoding is not None and path.suffix == ".npy":
                raise SinkError(f"{path}: the buffer is {encoding.name}, no array; write it to a .bin")
            must_be_free(path, "--output", force=self._force)
            try:
                if path.suffix == ".npy":
                    np.save(path, buffer)
                else:
                    buffer.tofile(path)
            except OSError as error:
                raise SinkError(f"{path} cannot be written: {error.strerror or error}") from error
            names.append(str(path))
        return names

    def _path_of(self, message_id: int, number: int) -> Path:
        name = self._path.stem
        if not self._is_single:
            name += f"-{message_id}"
        if number:
            name += f"-{number}"
        return self._path.with_name(name + self._path.suffix)


def get_messages(
    reader: StreamReader, address: StreamAddress, ids: tuple[int, int], files: BufferFiles | None, *, raw: bool
) -> None:
    """Write messages to wherever they go.

    Raises
    ------
    MissingMessageError
        If none of the ids is there.
    """
    is_there = False
    for block in reader.get(*ids):
        for stored in stored_messages(block):
            is_there = True
            message, encodings = stored
            if raw:
                for buffer in message.buffers:
                    sys.stdout.buffer.write(np.ascontiguousarray(buffer).tobytes())
                continue
            tree = message_tree(message, encodings)
            if files is not None:
                tree["files"] = files.write(stored)
            print(printed_json(tree))
    sys.stdout.flush()
    if not is_there:
        first, last = ids
        said = f"message {first}" if first == last else f"message from id {first} on"
        raise MissingMessageError(f"{address} has no {said}; its ids: penstock streams info {address}")
