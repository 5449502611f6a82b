"""Whole numbers of a batch in as few bytes as they need: event numbers, rows, counts.

They are either a progression, which needs none, or the smallest of them and 1, 2, 4 or 8 bytes for each one's distance
from it. Distances, not differences: reading is one addition, and a range can be checked by its ends.
"""

from typing import Annotated, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import RemoteProtocolError
from penstock.wire.columns import Size

__all__ = ["MAX_INTEGERS", "Integers", "encode_integers", "width"]

MAX_INTEGERS: Final = 1 << 20
"""In one column; what a progression may make of its few bytes is bounded by this."""

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_NOTHING: Final = memoryview(b"")
_TYPES: Final = {size: np.dtype(f"<u{size}") for size in (1, 2, 4, 8)}
_LOW, _HIGH = -(2**63), 2**63


class Integers(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A column of whole numbers as it travels."""

    size: Size
    """How many."""
    first: _Int64 = 0
    """The first of a progression, or the smallest of all."""
    step: _Int64 = 0
    """Of a progression."""
    item: Size = 0
    """Bytes of each distance; 0 for a progression."""
    data: memoryview = _NOTHING
    """The distances, little endian."""

    @property
    def last(self) -> int:
        """The last of a progression."""
        return self.first + self.step * (self.size - 1)

    def array(self) -> NDArray[np.int64]:
        """(size,), always a copy.

        Raises
        ------
        RemoteProtocolError
            If the bytes do not fit what they should say.
        """
        if self.size > MAX_INTEGERS:
            raise RemoteProtocolError(f"{self.size} whole numbers in one column; {MAX_INTEGERS} are allowed")
        if not self.item:
            return self._progression()
        dtype = _TYPES.get(self.item)
        if dtype is None or not self.size or len(self.data) != self.size * self.item:
            raise RemoteProtocolError(f"{len(self.data)} bytes are not {self.size} numbers of {self.item} bytes")
        found = np.frombuffer(self.data, dtype).astype(np.int64)
        if self.first:
            found += self.first
        return found

    def _progression(self) -> NDArray[np.int64]:
        if len(self.data) or (self.size and not _LOW <= self.last < _HIGH):
            raise RemoteProtocolError(f"{self.size} numbers from {self.first} in steps of {self.step}: not in 64 bits")
        if self.step == 1:
            return np.arange(self.first, self.first + self.size, dtype=np.int64)
        return np.arange(self.size, dtype=np.int64) * self.step + self.first


def width(span: int) -> int:
    """Return the bytes that a distance up to this needs."""
    return 1 if span < 2**8 else 2 if span < 2**16 else 4 if span < 2**32 else 8


def encode_integers(values: NDArray[np.integer], *, is_ascending: bool = False) -> Integers:
    """Return a column.

    Parameters
    ----------
    values
        (n,)
    is_ascending
        Whether each is known to be greater than the one before.
    """
    n = len(values)
    if n < 2:
        return Integers(n, int(values[0]) if n else 0, 1)
    first, last, step = int(values[0]), int(values[-1]), int(values[1]) - int(values[0])
    if last - first == step * (n - 1) and (
        (is_ascending and step == 1) or bool((values[1:] - values[:-1] == step).all())
    ):
        return Integers(n, first, step)
    low, high = (first, last) if is_ascending else (int(values.min()), int(values.max()))
    item = width(high - low)
    distances = values - low if low else values  # wraps where 64 bits are needed, and wraps back when it is added
    return Integers(n, low, 0, item, memoryview(distances.astype(_TYPES[item]).tobytes()))
