"""One stream's blocks that are kept until no event needs them any more, found by the ids of their messages."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.core.ascending import as_slice
from penstock.core.block import Block, concatenate
from penstock.core.event import PartColumn
from penstock.core.ledger import Account, Entry

__all__ = ["KeptBlocks"]

UNUSED = "in no event of the recorded run"


class KeptBlocks:
    """What has come of one stream, in ascending ids, and is needed still.

    Parameters
    ----------
    entry
        Its books: a message that was part of an event ends as joined, any other as discarded, when it is let go.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.last_id = 0
        """The largest that has come."""
        self.is_closed = False
        """Whether nothing more will come."""
        self._blocks: list[Block] = []
        self._firsts: list[int] = []
        self._arrived_ns: list[int] = []
        self._is_used: list[NDArray[np.bool_]] = []

    @property
    def pending(self) -> int:
        """Messages that are here."""
        return sum(map(len, self._blocks))

    def add(self, block: Block, now: int) -> None:
        """Keep a block, whose ids are above all before."""
        self.last_id = int(block.ids[-1])
        self._blocks.append(block)
        self._firsts.append(int(block.ids[0]))
        self._arrived_ns.append(now)
        self._is_used.append(np.zeros(len(block), np.bool_))

    def missing(self, wanted: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,), which of some ids are not here."""
        gone = np.ones(len(wanted), np.bool_)
        which = np.searchsorted(np.array(self._firsts, np.uint64), wanted, "right") - 1
        for k in np.unique(which[which >= 0]).tolist():
            ids, mine = self._blocks[k].ids, which == k
            rows = np.minimum(np.searchsorted(ids, wanted[mine]), len(ids) - 1)
            gone[mine] = ids[rows] != wanted[mine]
        return gone

    def part(
        self, wanted: NDArray[np.uint64], present: NDArray[np.bool_] | None, counts: NDArray[np.intp] | None
    ) -> tuple[PartColumn, int]:
        """Return the messages of some ids, all of which are here, as a part of events, and when the first arrived.

        Parameters
        ----------
        wanted
            (m,), in the order of the events; one may be wanted several times.
        """
        if not len(wanted):
            return PartColumn(block=None), 0
        low, high = bisect_right(self._firsts, int(wanted.min())) - 1, bisect_right(self._firsts, int(wanted.max())) - 1
        if low == high:
            block = self._blocks[low]
            rows = np.searchsorted(block.ids, wanted)
            self._is_used[low][rows] = True
            return PartColumn(block=block, rows=as_slice(rows), present=present, counts=counts), self._arrived_ns[low]
        distinct, rows = np.unique(wanted, return_inverse=True)
        block = self._gathered(distinct, low)
        return PartColumn(block=block, rows=as_slice(rows), present=present, counts=counts), self._arrived_ns[low]

    def let_go(self, horizon: int) -> None:
        """Forget the blocks of which nothing from an id on is needed."""
        n = 0
        while n < len(self._blocks) and int(self._blocks[n].ids[-1]) < horizon:
            self._end(n)
            n += 1
        if n:
            del self._blocks[:n], self._firsts[:n], self._arrived_ns[:n], self._is_used[:n]

    def abort(self) -> None:
        """Forget everything; what was in no event so far was under way."""
        for block, used in zip(self._blocks, self._is_used, strict=True):
            joined = int(np.count_nonzero(used))
            self.entry.post(Account.JOINED, joined)
            self.entry.post(Account.ABORTED, len(block) - joined)
        self._blocks, self._firsts, self._arrived_ns, self._is_used = [], [], [], []

    def _gathered(self, distinct: NDArray[np.uint64], low: int) -> Block:
        """Return one block of messages that lie in several, ids ascending."""
        pieces: list[Block] = []
        which = np.searchsorted(np.array(self._firsts[low:], np.uint64), distinct, "right") - 1 + low
        cuts: Sequence[int] = (np.flatnonzero(np.diff(which)) + 1).tolist()
        for start, stop in zip((0, *cuts), (*cuts, len(distinct)), strict=True):
            k = int(which[start])
            rows = np.searchsorted(self._blocks[k].ids, distinct[start:stop])
            self._is_used[k][rows] = True
            pieces.append(self._blocks[k].take(as_slice(rows)))
        return concatenate(pieces)

    def _end(self, k: int) -> None:
        joined = int(np.count_nonzero(self._is_used[k]))
        unused = len(self._blocks[k]) - joined
        self.entry.post(Account.JOINED, joined)
        self.entry.post(Account.DISCARDED, unused, UNUSED if unused else "")
