"""What every descriptor says of a slot, and how a reader comes to it."""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.errors import RemoteProtocolError
from penstock.wire.columns import Size
from penstock.wire.layout import BlockLayout, read_block

__all__ = ["MAX_MESSAGE", "PlacedBlock", "ReadSlot", "Shift", "Slot", "first_row", "shifted"]

MAX_MESSAGE: Final = 160 << 10
"""Bytes of a descriptor at most. A SEQPACKET message of some 200 kB fits a default socket; the rest is the sender's."""

Shift = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
"""How far ids are above those in the slot, or below: a merge numbers anew, and leaves some messages out."""


class Slot(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """One slot of one pool, of one incarnation of the pool's writer."""

    pool: str
    generation: Size
    index: Size

    def bytes(self, nbytes: int, read_slot: "ReadSlot") -> NDArray[np.uint8]:
        """(nbytes,), the beginning of the slot, read-only.

        Raises
        ------
        RemoteProtocolError
            If the slot is smaller.
        """
        found = read_slot(self, nbytes)
        if len(found) < nbytes:
            raise RemoteProtocolError(f"{nbytes} bytes in slot {self.index} of {self.pool}, which has {len(found)}")
        return found

    def block(self, layout: BlockLayout, stream: str, read_slot: "ReadSlot", shift: int = 0) -> Block:
        """Return the block that lies in the slot, as views of it; ids are new where they are shifted."""
        block = read_block(layout, self.bytes(layout.nbytes, read_slot), stream)
        return replace(block, ids=shifted(block.ids, shift)) if shift else block


ReadSlot = Callable[[Slot, int], NDArray[np.uint8]]
"""(slot, bytes) → the slot's first bytes, read-only; `RemoteProtocolError` if there is no such slot here."""


class PlacedBlock(msgspec.Struct, frozen=True, gc=False):
    """Where a block lies, as far as its custodian knows."""

    slot: Slot
    layout: BlockLayout
    """Of the whole block in the slot."""
    first: int = 0
    """The row of that at which the block begins; other than 0 for a slice of it."""
    shift: int = 0
    """What its ids are above those in the slot, because a merge numbered them anew; below 0 if it left some out."""


def shifted(ids: NDArray[np.uint64], shift: int) -> NDArray[np.uint64]:
    """Return ids that are so much higher."""
    return ids + np.uint64(shift % 2**64)  # what is to be subtracted is added, and wraps


def first_row(block: Block, whole: Block) -> int | None:
    """Return the row of ``whole`` at which ``block`` begins; ``None`` if it is no slice of it, but a copy."""
    distance = _address(block) - _address(whole)
    row, rest = divmod(distance, 8)
    if rest or row < 0 or row + len(block) > len(whole) or block.ids.strides != whole.ids.strides:
        return None
    return row


def _address(block: Block) -> int:
    found: int = block.ids.__array_interface__["data"][0]
    return found
