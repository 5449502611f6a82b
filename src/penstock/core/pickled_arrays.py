"""Pickled lists of arrays that come again and again: read with care once, and at once where only their contents differ.

Our own reading of pickles walks every opcode in Python. An instrument writes the same ones for each frame; so those of
the last one are kept, and where all bytes are the same but those inside of arrays, nothing else can come of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.unpickle import unpickle

__all__ = ["PickledArrays"]

MAX_KEPT = 64 << 10
"""Bytes of a pickle that is kept: longer ones spend their time on their contents."""


class PickledArrays:
    """Reads pickles as `unpickle` does."""

    def __init__(self) -> None:
        self._last: _Pattern | None = None
        self.is_known = False
        """Whether the one read last differs from the one before in nothing but the contents of its arrays."""

    def read(self, pickled: bytes | memoryview) -> Any:  # whatever a pickle may hold; of a known one a list of arrays
        """Return what is pickled; arrays are views of it, and read-only.

        Raises
        ------
        RemoteProtocolError
            What `unpickle` raises.
        """
        raw = pickled if isinstance(pickled, bytes) else bytes(pickled)
        self.is_known = self._last is not None and self._last.fits(raw)
        if self.is_known and self._last is not None:
            return self._last.arrays(raw)
        value = unpickle(raw)
        self._last = _pattern(raw, value) if len(raw) <= MAX_KEPT else None
        return value


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What pickles of one form have in common."""

    size: int
    between: tuple[tuple[int, int, bytes], ...]
    """What stands outside of arrays: from where, to where, and what."""
    forms: tuple[tuple[tuple[int, ...], np.dtype[Any], int], ...]
    """Of each array the shape, the dtype, and where its contents begin."""

    def fits(self, raw: bytes) -> bool:
        if len(raw) != self.size:
            return False
        for begin, end, same in self.between:  # noqa: SIM110 - all() would take twice as long
            if raw[begin:end] != same:
                return False
        return True

    def arrays(self, raw: bytes) -> list[NDArray[Any]]:
        return [np.ndarray(shape, dtype, raw, begin) for shape, dtype, begin in self.forms]


def _pattern(raw: bytes, value: Any) -> _Pattern | None:
    """Return what others of its form have in common with a pickle; ``None`` if it is no list of views of it."""
    if not isinstance(value, list) or not value:
        return None
    base = np.frombuffer(raw, np.uint8).ctypes.data
    forms, contents = [], []
    for array in value:
        if not (isinstance(array, np.ndarray) and array.flags.c_contiguous and array.nbytes):
            return None
        begin = array.ctypes.data - base
        if not 0 <= begin <= len(raw) - array.nbytes:
            return None
        forms.append((array.shape, array.dtype, begin))
        contents.append((begin, begin + array.nbytes))
    return _Pattern(len(raw), _between(raw, contents), tuple(forms))


def _between(raw: bytes, contents: Sequence[tuple[int, int]]) -> tuple[tuple[int, int, bytes], ...]:
    places, at = [], 0
    for begin, end in sorted(contents):
        if begin > at:
            places.append((at, begin, raw[at:begin]))
        at = max(at, end)  # two arrays may have the same contents
    places.append((at, len(raw), raw[at:]))
    return tuple(places)
