"""A stored block as a server sends it: a head, and pieces of memory that are not copied."""

from penstock.streams.store import StoredBlock
from penstock.transport.link import Piece
from penstock.wire.layout import pack_block
from penstock.wire.stream_requests import Stored

__all__ = ["stored_frame"]


def stored_frame(stored: StoredBlock) -> tuple[Stored, list[Piece], int]:
    """Return the head of a frame, the pieces of its body, and how many bytes these are."""
    packed = pack_block(stored.block)
    encodings = tuple([None if e is None else (e.name, e.dtype, e.shape) for e in stored.encodings])
    head = Stored(packed.layout, stored.position, encodings)
    return head, [piece.data for piece in packed.pieces()], packed.places.end
