"""What a program that stays is told over its standard input, and what it answers: frames of one form, both ways.

A frame is one line of JSON, an object, and behind it the bytes of the arrays that its ``arrays`` names, each in C
order, in the order in which they stand there. ``bytes`` is how many these are together; it comes first in what we
write, so that a reader without JSON finds it. Nothing here knows a pipe or a process.
"""

import json
from collections.abc import Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import RemoteProtocolError
from penstock.wire.dtypes import dtype_from, plain_dtype

__all__ = ["LONGEST_LINE", "MOST_BYTES", "Frame", "FrameReader", "frame_parts"]

LONGEST_LINE: Final = 16 * 2**20
"""Bytes of a line of JSON that is read."""
MOST_BYTES: Final = 2**30
"""Bytes of the arrays of a frame that is read."""
NO_ARRAYS: Final[Mapping[str, NDArray[Any]]] = MappingProxyType({})
_SHOWN: Final = 120


class Frame(msgspec.Struct, frozen=True, eq=False):
    """One frame, as it was read."""

    said: dict[str, Any]
    """The object of its line, without ``bytes`` and ``arrays``."""
    arrays: Mapping[str, NDArray[Any]] = NO_ARRAYS
    """By the names that the writer gave them; the reader's own, to be written to."""


def frame_parts(
    said: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] = NO_ARRAYS, item: Any = None
) -> list[memoryview]:
    r"""Return the bytes of a frame: its line, then each array, copied only if it is not in C order.

    >>> [bytes(part) for part in frame_parts({"kind": "event"}, {"image": np.zeros((1, 2), "<u2")})]
    [b'{"bytes":4,"kind":"event","arrays":{"image":{"dtype":"<u2","shape":[1,2]}}}\n', b'\x00\x00\x00\x00']

    Parameters
    ----------
    said
        What the line says behind ``bytes``; plain values, of which none is called ``bytes``, ``arrays`` or ``item``.
    arrays
        By name; of dtypes without Python objects.
    item
        A plain value, which stands last, because what it holds may look like anything; ``None`` to leave it out.
    """
    flat = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header: dict[str, Any] = {"bytes": sum(array.nbytes for array in flat.values()), **said}
    if flat:
        header["arrays"] = {
            name: {"dtype": plain_dtype(array.dtype), "shape": list(array.shape)} for name, array in arrays.items()
        }
    if item is not None:
        header["item"] = item
    line = memoryview(msgspec.json.encode(header) + b"\n")
    # As numbers of 8 bits, because memoryviews know no times and no text.
    return [line, *(array.reshape(-1).view(np.uint8).data for array in flat.values() if array.nbytes)]


class FrameReader:
    """Reads frames out of bytes that come in pieces of any length.

    What it is fed behind a mistake means nothing any more: throw it away with the program that made the mistake.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._line_end = 0
        """So far there is no end of a line."""
        self._header: tuple[dict[str, Any], dict[str, tuple[np.dtype[Any], tuple[int, ...]]], int] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there are bytes of a frame that is not whole."""
        return bool(self._held) or self._header is not None

    def feed(self, data: bytes | memoryview) -> list[Frame]:
        """Return the frames that are whole now.

        Raises
        ------
        RemoteProtocolError
            If the bytes are no frame; the text shows how they begin.
        """
        self._held += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        if self._header is None:
            end = self._held.find(b"\n", self._line_end)
            if end < 0:
                self._line_end = len(self._held)
                if self._line_end > LONGEST_LINE:
                    raise RemoteProtocolError(f"a line of more than {LONGEST_LINE} bytes: {_shown(self._held)}")
                return None
            line = bytes(self._held[:end])
            del self._held[: end + 1]
            self._line_end = 0
            self._header = _header(line)
        said, places, nbytes = self._header
        if len(self._held) < nbytes:
            return None
        self._header = None
        arrays, at = {}, 0
        for name, (dtype, shape) in places.items():
            size = dtype.itemsize * prod(shape)
            arrays[name] = np.frombuffer(bytearray(self._held[at : at + size]), dtype).reshape(shape)
            at += size
        del self._held[:nbytes]
        return Frame(said, arrays)


def _header(line: bytes) -> tuple[dict[str, Any], dict[str, tuple[np.dtype[Any], tuple[int, ...]]], int]:
    try:
        said = json.loads(line)  # unlike msgspec it reads NaN, which Python's own writer writes
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"this is no line of JSON: {_shown(line)}") from error
    if not isinstance(said, dict):
        raise RemoteProtocolError(f"this is no object of JSON, in braces: {_shown(line)}")
    given, written = said.pop("bytes", None), said.pop("arrays", {})
    if not isinstance(written, dict):
        raise RemoteProtocolError(f'"arrays" is no object of names: {_shown(line)}')
    places = {name: _place(name, place) for name, place in written.items()}
    nbytes = sum(dtype.itemsize * prod(shape) for dtype, shape in places.values())
    if nbytes > MOST_BYTES:
        raise RemoteProtocolError(f"its arrays have {nbytes} bytes; there may be {MOST_BYTES}: {_shown(line)}")
    if given is not None and given != nbytes:
        raise RemoteProtocolError(f'"bytes" is {given!r}, and its arrays have {nbytes}: {_shown(line)}')
    return said, places, nbytes


def _place(name: str, place: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    try:
        written, shape = place["dtype"], place["shape"]
        dtype = np.dtype(written) if isinstance(written, str) else dtype_from(written)
        if dtype.hasobject or not dtype.itemsize:
            raise TypeError(f"{dtype} has no bytes of its own")
        if not isinstance(shape, list) or not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"its shape is {shape!r}")
    except (KeyError, TypeError, ValueError, RemoteProtocolError, SyntaxError) as error:
        raise RemoteProtocolError(
            f'array "{name}" is {place!r:.80}; write {{"dtype": "<f4", "shape": [512, 512]}}'
        ) from error
    return dtype, tuple(shape)


def _shown(data: Sequence[int] | bytes | bytearray) -> str:
    begin = bytes(data[: _SHOWN + 1])
    return repr(begin[:_SHOWN].decode(errors="backslashreplace")) + ("…" if len(begin) > _SHOWN else "")
