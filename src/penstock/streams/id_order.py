"""Messages of several blocks in the order of their ids, as slices of the blocks where they lie."""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import chain

import numpy as np

from penstock.core.id_set import LARGEST_ID
from penstock.streams.store import StoredBlock

__all__ = ["by_id"]

Piece = tuple[StoredBlock, int, int]
"""A block, the first of its rows, and the row behind its last."""


def by_id(blocks: Iterable[StoredBlock], first_id: int, last_id: int) -> Iterator[StoredBlock]:
    """Yield the messages of some ids, ascending, without copying them.

    Parameters
    ----------
    blocks
        Ordered by their first ids; no id is in two of them. They may have other ids as well.
    first_id, last_id
        Both included.
    """
    together: list[Piece] = []  # blocks whose ids lie between each other's
    reach = 0
    for piece in _pieces(blocks, first_id, last_id):
        stored, start, stop = piece
        if int(stored.block.ids[start]) > reach:
            yield from _woven(together)
            together = []
        together.append(piece)
        reach = max(reach, int(stored.block.ids[stop - 1]))
    yield from _woven(together)


def _pieces(blocks: Iterable[StoredBlock], first_id: int, last_id: int) -> Iterator[Piece]:
    """Yield what there is of each block, by the first id of that."""
    first, last = np.uint64(first_id), np.uint64(min(last_id, LARGEST_ID))
    begun: list[Piece] = []  # blocks with smaller ids, too: their order is not that of what is left of them
    rest: Iterable[StoredBlock] = ()
    all_blocks = iter(blocks)
    for stored in all_blocks:
        if stored.block.ids[0] >= first:
            rest = chain((stored,), all_blocks)
            break
        begun.append(_piece(stored, first, last))
    whole = (_piece(stored, first, last) for stored in rest)
    return merge(sorted(filter(_has_rows, begun), key=_first_id), filter(_has_rows, whole), key=_first_id)


def _piece(stored: StoredBlock, first: np.uint64, last: np.uint64) -> Piece:
    ids = stored.block.ids
    return stored, int(ids.searchsorted(first)), int(ids.searchsorted(last, "right"))


def _has_rows(piece: Piece) -> bool:
    return piece[1] < piece[2]


def _first_id(piece: Piece) -> int:
    return int(piece[0].block.ids[piece[1]])


def _woven(pieces: list[Piece]) -> Iterator[StoredBlock]:
    if len(pieces) < 2:
        yield from (stored.take(slice(start, stop)) for stored, start, stop in pieces)
        return
    order = np.argsort(np.concatenate([stored.block.ids[start:stop] for stored, start, stop in pieces]))
    of = np.repeat(np.arange(len(pieces)), [stop - start for _, start, stop in pieces])[order]
    row = np.concatenate([np.arange(start, stop) for _, start, stop in pieces])[order]
    # Within a block ids ascend, so those of one block that follow each other here lie side by side there, too.
    ends = np.flatnonzero(of[1:] != of[:-1])
    for begin, end in zip([0, *(ends + 1).tolist()], [*ends.tolist(), len(of) - 1], strict=True):
        yield pieces[of[begin]][0].take(slice(int(row[begin]), int(row[end]) + 1))
