"""Descriptors: the small messages that name what lies in slots, and are all that passes between our processes.

``encode`` and ``decode`` are the only ways to bytes and back; which kind a message is, stands in its first field.
"""

from typing import Final

import msgspec

from penstock.core.block import Block, Rows
from penstock.errors import RemoteProtocolError
from penstock.wire.columns import HOSTILE
from penstock.wire.events import EventsDescriptor, describe_events, split_events
from penstock.wire.integers import Integers
from penstock.wire.layout import BlockLayout
from penstock.wire.results import PackedResults, ResultsDescriptor, pack_results
from penstock.wire.rows import decode_rows, encode_rows
from penstock.wire.slots import MAX_MESSAGE, PlacedBlock, ReadSlot, Shift, Slot, first_row

__all__ = [
    "MAX_MESSAGE",
    "BlockDescriptor",
    "Descriptor",
    "EventsDescriptor",
    "PackedResults",
    "PlacedBlock",
    "ReadSlot",
    "ResultsDescriptor",
    "Slot",
    "decode",
    "describe_block",
    "describe_events",
    "encode",
    "first_row",
    "pack_results",
    "split_events",
]


class BlockDescriptor(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True, tag=1):
    """A block of one stream, or rows of it, as it travels."""

    stream: str
    slot: Slot
    layout: BlockLayout
    rows: Integers
    shift: Shift = 0
    """What the ids are above those in the slot; below 0 if they are lower."""

    def read(self, read_slot: ReadSlot) -> Block:
        """Return the block of the rows; arrays are views of the slot where the rows follow each other.

        Raises
        ------
        RemoteProtocolError
            If the descriptor contradicts itself or what lies in the slot.
        """
        block = self.slot.block(self.layout, self.stream, read_slot, self.shift)
        rows = decode_rows(self.rows, len(block))
        return block if isinstance(rows, slice) and rows == slice(0, len(block)) else block.take(rows)


Descriptor = BlockDescriptor | EventsDescriptor | ResultsDescriptor

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Descriptor]] = msgspec.msgpack.Decoder(Descriptor)


def describe_block(stream: str, placed: PlacedBlock, rows: Rows | None = None) -> BlockDescriptor:
    """Return the descriptor of a block, or of some of its rows."""
    chosen = slice(0, placed.layout.rows - placed.first) if rows is None else rows
    return BlockDescriptor(stream, placed.slot, placed.layout, encode_rows(chosen, placed.first), placed.shift)


def encode(descriptor: Descriptor, limit: int = MAX_MESSAGE) -> bytes:
    """Return the message.

    Raises
    ------
    ValueError
        If it is larger than ``limit``: split what it describes.
    """
    data = _ENCODER.encode(descriptor)
    if len(data) > limit:
        raise ValueError(f"a descriptor of {len(data)} bytes; a message has {limit} at most: split what it describes")
    return data


def decode(data: bytes | memoryview) -> Descriptor:
    """Read a message.

    What it describes is looked at when it is read, with ``descriptor.read(read_slot)``. Columns are views of ``data``:
    do not write into that before.

    Raises
    ------
    RemoteProtocolError
        If the bytes are no descriptor.
    """
    try:
        return _DECODER.decode(data)
    except HOSTILE as error:
        raise RemoteProtocolError(f"{len(data)} bytes are not a descriptor: {error}") from error
