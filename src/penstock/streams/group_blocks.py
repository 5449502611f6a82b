"""One member's way through a stream block by block, without ever waiting; who runs it waits on the reader."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.group_record import Claim
from penstock.core.id_ranges import Range
from penstock.streams.membership import Membership
from penstock.streams.store import StreamInfo, StreamReader, StreamState

__all__ = ["GroupBlocks"]

ENDED: Final = (StreamState.FINISHED, StreamState.ABORTED)
CLAIMED: Final = 1024
"""Messages at once: so few that others have their share, so many that claims cost little."""


class GroupBlocks:
    """Claims messages for a member and fetches them.

    Parameters
    ----------
    reader
        Of the stream; closed with the membership.
    member
        Left by ``leave``.
    size
        How many messages to claim at once.
    """

    def __init__(self, reader: StreamReader, member: Membership, size: int = CLAIMED) -> None:
        self._reader = reader
        self._member = member
        self._size = size
        self._blocks: Iterator[tuple[Block, int]] = iter(())
        """Of the latest claim, fetched one by one, as they may be large."""
        self._claim: Claim | None = None
        self._info: StreamInfo | None = None
        """How the stream was before the latest claim that brought nothing."""

    def next(self) -> tuple[Block, int] | None:
        """Return a block that this member has now, and the epoch to acknowledge it with; ``None`` if none is there.

        Raises
        ------
        IntegrityError
            If a block is damaged; it stays claimed.
        """
        while (found := next(self._blocks, None)) is None:
            self._info = info = self._reader.info
            self._reader.wait(info.count + info.removed, 0)  # makes the descriptor quiet before it is looked
            self._claim = claim = self._member.claim(self._size)
            if not claim.ids:
                return None
            self._blocks = self._fetched(claim)
        return found

    @property
    def end(self) -> StreamInfo | None:
        """How the stream ended, if nothing will come any more: all is acknowledged, dead, or has this member."""
        if self._info is None or self._claim is None or self._info.state not in ENDED or self._claim.ids:
            return None
        if not self._claim.is_drained:
            snapshot = self._member.snapshot()
            own = sum(each.in_flight for each in snapshot.members if each.name == self._member.member)
            if snapshot.unclaimed or snapshot.waiting or snapshot.in_flight > own:
                return None
        return self._info

    def acknowledge(self, ids: NDArray[np.uint64], epoch: int) -> None:
        """Say that messages are done."""
        self._member.acknowledge(*ids.tolist(), epoch=epoch)

    def leave(self) -> None:
        """Write what was acknowledged, and give the rest back."""
        self._blocks = iter(())
        try:
            self._member.leave()
        finally:
            self._reader.close()

    def _fetched(self, claim: Claim) -> Iterator[tuple[Block, int]]:
        for ranges in self._in_one(claim.ids):
            wanted = np.concatenate([_ids(each) for each in ranges])
            there = [np.empty(0, np.uint64)]
            for stored in self._reader.get(ranges[0][0], ranges[-1][1]):
                there.append(stored.block.ids)
                yield stored.encoded_block, claim.epoch
            gone = np.setdiff1d(wanted, np.concatenate(there))
            if len(gone):  # removed since it was claimed, of which the group learns so
                self._member.refuse(*gone.tolist(), reason="it was removed")

    def _in_one(self, claimed: list[Range]) -> list[list[Range]]:
        """Return what can be fetched at once: all, if nothing that was not claimed lies between, as of sparse ids."""
        if len(claimed) > 1:
            wanted = np.concatenate([_ids(each) for each in claimed])
            if np.array_equal(self._reader.ids(int(wanted[0]), len(wanted)), wanted):
                return [claimed]
        return [[each] for each in claimed]


def _ids(each: Range) -> NDArray[np.uint64]:
    # Added, not given to arange, which makes floats beyond 2**63.
    return np.arange(each[1] - each[0] + 1, dtype=np.uint64) + np.uint64(each[0])
