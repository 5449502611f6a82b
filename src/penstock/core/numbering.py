"""Which number each message of a stream has in its join: its key, its place in the stream, or its time."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.ledger import Counter, Entry

__all__ = ["ByKey", "ByPlace", "ByTime", "Numbering"]


class Numbering(ABC):
    """Give every message of one stream a number."""

    @abstractmethod
    def numbers(self, block: Block) -> NDArray[np.int64]:
        """(n,), the number of each message, in order of arrival."""


class ByKey(Numbering):
    """The instrument's own number, moved so that all of 0 … 2**64 - 1 fits a signed integer in the same order."""

    def numbers(self, block: Block) -> NDArray[np.int64]:
        """(n,), the keys; of a stream without keys, the ids."""
        keys = block.ids if block.keys is None else block.keys
        return (keys ^ np.uint64(1 << 63)).view(np.int64)


class ByTime(Numbering):
    """The time, in nanoseconds."""

    def numbers(self, block: Block) -> NDArray[np.int64]:
        """(n,), the timestamps."""
        return block.timestamps


class ByPlace(Numbering):
    """The place in the stream, from 0.

    Where the instrument numbers its messages, a number that is missing keeps its place free, so that a lost message
    does not shift all that follow; an instrument that begins its numbers again goes on behind the last place.
    """

    def __init__(self, entry: Entry, *, first: int | None, check_keys: bool) -> None:
        self._entry = entry
        self._first = first
        self._check_keys = check_keys
        self._next = 0
        self._base = 0
        self._last_key: int | None = None
        self._has_begun = False

    def numbers(self, block: Block) -> NDArray[np.int64]:
        """(n,), the places."""
        if block.keys is None or not self._check_keys:
            self._next += len(block)
            return np.arange(self._next - len(block), self._next)
        if self._first is None:
            self._first = int(block.keys[0])
        keys = block.keys
        origin = np.uint64(self._first)
        begins = np.flatnonzero(keys == origin)
        if len(begins) == 0 or (len(begins) == 1 and not self._has_begun):
            self._has_begun |= len(begins) > 0
            return self._place(keys, origin)
        pieces = []
        for piece in np.split(keys, begins):
            if len(piece) and piece[0] == origin:
                self._begin()
            pieces.append(self._place(piece, origin))
        return np.concatenate(pieces)

    def _begin(self) -> None:
        """Note the first number; when it came before, and others since, the instrument has begun again."""
        if self._has_begun and self._last_key != self._first:
            self._base = self._next
            self._last_key = None
            self._entry.note(Counter.RESTARTS, 1, f"numbers began again at {self._first}")
        self._has_begun = True

    def _place(self, keys: NDArray[np.uint64], origin: np.uint64) -> NDArray[np.int64]:
        if not len(keys):
            return np.empty(0, np.int64)
        places = (keys - origin).view(np.int64) + self._base
        top = int(keys.max())
        self._last_key = top if self._last_key is None else max(self._last_key, top)
        self._next = max(self._next, int(places.max()) + 1)
        return places
