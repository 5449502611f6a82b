"""Which ids of a stream are not there, as ranges, and no more of them than somebody reads."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import IntegrityError
from penstock.streams.store import StreamReader

__all__ = ["Gaps", "gaps_of"]

MOST_RANGES: Final = 20
_PAGE: Final = 1 << 20


class Gaps(msgspec.Struct, frozen=True, kw_only=True):
    """Ids between 1 and the largest that cannot be read: they never came, or were removed."""

    ranges: tuple[tuple[int, int], ...] = ()
    """First and last of each, both included."""
    is_complete: bool = True
    """Whether these are all."""
    trouble: str = ""
    """Why the others cannot be told, if that is so."""

    def __str__(self) -> str:
        said = [str(first) if first == last else f"{first}–{last}" for first, last in self.ranges]
        if self.trouble:
            return "; ".join([*filter(None, [", ".join(said)]), self.trouble])
        return ", ".join([*said, *([] if self.is_complete else ["and more"])]) or "nothing"


def gaps_of(reader: StreamReader, most: int = MOST_RANGES) -> Gaps:
    """Return the first ranges of ids that are not there; it reads on only until it has found as many.

    Of a stream of which nothing was removed and nothing is missing, no id is read.
    """
    info = reader.info
    if not info.missing and not info.removed:
        return Gaps()
    found: list[tuple[int, int]] = []
    expected = 1
    try:
        while expected <= info.last_id and len(found) <= most:
            ids = reader.ids(expected, _PAGE)
            found += _before(ids, expected)[: most + 1]
            expected = int(ids[-1]) + 1 if len(ids) else info.last_id + 1
            if not len(ids):
                break
    except IntegrityError as error:
        return Gaps(ranges=tuple(found[:most]), is_complete=False, trouble=str(error))
    return Gaps(ranges=tuple(found[:most]), is_complete=len(found) <= most)


def _before(ids: NDArray[np.uint64], expected: int) -> list[tuple[int, int]]:
    """Return the ranges that are missing before each of some ids."""
    before = np.concatenate((np.array([expected - 1], np.uint64), ids[:-1]))
    rows = np.flatnonzero(ids - before > 1)
    return [(int(before[row]) + 1, int(ids[row]) - 1) for row in rows.tolist()]
