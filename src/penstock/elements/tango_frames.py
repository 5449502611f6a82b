"""Values on the pipe between the sink ``tango`` and the program that serves its device, their lengths before them."""

import struct
from typing import IO, Any, Final

from penstock.wire.values import decode_value, encode_value

__all__ = ["read_frame", "write_frame"]

_LENGTH: Final = struct.Struct("<Q")


def write_frame(stream: IO[bytes], value: Any) -> None:  # of the closed list
    """Write a value.

    Raises
    ------
    OSError
        If nobody reads any more.
    """
    data = encode_value(value)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> Any:  # what was written
    """Return the next value; ``None`` at the end, also where it breaks off."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return decode_value(data) if len(data) == length else None
