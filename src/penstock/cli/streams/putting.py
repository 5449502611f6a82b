"""Messages made of files and of standard input."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.cli.streams.options import wrong
from penstock.core.message import Message

__all__ = ["messages_of", "read_metadata"]


def read_metadata(text: str) -> Mapping[str, Any]:
    """Read what is said of a message.

    Raises
    ------
    CheckError
        If it is no JSON object.
    """
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise wrong("--metadata", f"no JSON: {error}", """write it as '{"energy_keV": 9.2}'""") from error
    if not isinstance(found, dict):
        raise wrong("--metadata", f"{text} is no object", """write it as '{"energy_keV": 9.2}'""")
    return found


def messages_of(names: Sequence[str], first_id: int, metadata: Mapping[str, Any]) -> Iterator[Message]:
    """Return messages, one a file; all of them are looked for first.

    Raises
    ------
    CheckError
        If a file cannot be read.
    """
    for name in names:
        if name != "-" and not Path(name).is_file():
            raise wrong("FILE", f"{name} is no file" if Path(name).exists() else f"{name} is not there")
    return (
        Message(id=number, timestamp_ns=time.time_ns(), metadata=metadata, array=_read(name))
        for number, name in enumerate(names, first_id)
    )


def _read(name: str) -> NDArray[Any]:
    try:
        if name.endswith(".npy"):
            array: NDArray[Any] = np.load(name, mmap_mode="r", allow_pickle=False)
            return array
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except (OSError, ValueError, EOFError) as error:
        raise wrong("FILE", f"{name} cannot be read: {error}") from error
    return np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
