"""Memory that a stage and one of its workers share: what is too long for a message between them is laid down here.

A memory file for each message would be made, mapped and cleared page by page every time, which takes several times as
long as copying what is in it. Only what is copied when it is read lies here, so that a place is free right after that.
"""

import mmap
from collections.abc import Iterable, Sequence
from typing import Any, Final

from penstock.wire.steps import Laid, are_plain, decode_values, encode_values, write_bytes

__all__ = ["INLINE_BYTES", "SHARED_BYTES", "SHELF_BYTES", "Shelf", "are_long", "shelves"]

INLINE_BYTES: Final = 60_000
"""What is longer is laid down, or travels as a memory file, so that two messages always fit on a link and nobody waits
to send."""
PLACES: Final = 2
"""As many as a worker may have spans that are not answered."""
PLACE_BYTES: Final = 1280 << 10
"""A span has about 1 MB at most, unless one item alone has more."""
SHELF_BYTES: Final = PLACES * PLACE_BYTES
"""A whole number of pages, of which those take memory that were written to."""
SHARED_BYTES: Final = mmap.PAGESIZE + 2 * SHELF_BYTES
"""Of what a stage shares with a worker: a page in which is how many items were begun, and two shelves."""
DIRECT_BYTES: Final = 1 << 12
"""From here on bytes are copied to their place one by one; together they would be copied twice."""


class Shelf:
    """One end of it; at the other one there is another, and one of them lays down and the other takes.

    Parameters
    ----------
    memory
        Mapped by both.
    at
        Where in it the shelf begins; it has ``SHELF_BYTES``.

    Examples
    --------
    >>> memory = mmap.mmap(-1, SHELF_BYTES)
    >>> stage, worker = Shelf(memory, 0), Shelf(memory, 0)
    >>> laid = stage.lay([b"x" * 100_000, "text", None])
    >>> worker.take(laid, 3)[1:], worker.news()
    (['text', None], [1])
    >>> stage.free([1]); stage.close(); worker.close()
    """

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        whole = memoryview(memory)
        self._places = [whole[begin : begin + PLACE_BYTES] for begin in range(at, at + SHELF_BYTES, PLACE_BYTES)]
        whole.release()
        self._free = list(range(PLACES))
        self._taken: list[int] = []

    def lay(self, values: Sequence[Any], data: bytes = b"") -> Laid | None:
        """Lay values down; ``None`` if no place is free, they are too long, or not plain enough to be copied.

        Parameters
        ----------
        data
            The values as they are written, if they are written already.
        """
        if not self._free or len(data) > PLACE_BYTES or not are_plain(values):
            return None
        place = self._places[self._free[-1]]
        if not data and _are_all_long(values):
            nbytes = write_bytes(values, place)
        else:
            data = data or encode_values(values)
            nbytes = len(data) if len(data) <= PLACE_BYTES else 0
            place[:nbytes] = data[:nbytes]
        # The place that has come back last, as it is the one most likely to be in the cache.
        return Laid(self._free.pop(), nbytes) if nbytes else None

    def take(self, laid: Laid, count: int) -> list[Any]:
        """Return what was laid down, which is its place's no longer.

        Raises
        ------
        RemoteProtocolError
            If it is anything else.
        """
        with self._places[laid.place][: laid.nbytes] as data:
            found = decode_values(data, count)
        self.skip(laid)
        return found

    def skip(self, laid: Laid) -> None:
        """Let the place be free, from whatever thread."""
        self._taken.append(laid.place)

    def news(self) -> list[int]:
        """Return places that have become free since the last time, for the other side."""
        return [self._taken.pop() for _ in range(len(self._taken))] if self._taken else []

    def free(self, places: Iterable[int]) -> None:
        """Learn from the other side what is free."""
        self._free.extend(places)

    def close(self) -> None:
        """Let go of the memory."""
        for place in self._places:
            place.release()


def shelves(memory: mmap.mmap) -> tuple[Shelf, Shelf]:
    """Return, of ``SHARED_BYTES``, where items are laid down, and where what came of them is."""
    return Shelf(memory, mmap.PAGESIZE), Shelf(memory, mmap.PAGESIZE + SHELF_BYTES)


def are_long(values: Sequence[Any]) -> bool:
    """Whether they are bytes too long for a message, as far as that is seen at a glance."""
    return type(values[0]) is bytes and len(values[0]) * len(values) > INLINE_BYTES


def _are_all_long(values: Sequence[Any]) -> bool:
    return type(values[0]) is bytes and len(values[0]) >= DIRECT_BYTES and set(map(type, values)) == {bytes}
