"""Append a block that may have been appended before: the same content once more is no conflict, other content is."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.streams.appendable import conflict
from penstock.streams.same_messages import same_messages
from penstock.streams.store import Encoding, StreamReader

__all__ = ["Appender", "append_again", "is_stored"]


class Appender(Protocol):
    """What is needed of a writer."""

    def present(self, ids: NDArray[np.uint64], /) -> NDArray[np.bool_]:
        """(n,), which of some ids are there already."""

    def append(self, block: Block, encodings: Sequence[Encoding | None] = (), /) -> None:
        """Write messages."""


def append_again(
    writer: Appender, reader: StreamReader, block: Block, encodings: Sequence[Encoding | None] = ()
) -> bool:
    """Append a block unless it is there; return whether it was appended now.

    Raises
    ------
    ConflictError
        If some of its ids are there with other content, or with content that was removed since and cannot be compared.
    """
    present = writer.present(block.ids)
    if not present.any():
        writer.append(block, encodings)
        return True
    if present.all() and is_stored(reader, block, encodings):
        return False
    raise conflict(reader.info.address, block.ids[present])


def is_stored(reader: StreamReader, block: Block, encodings: Sequence[Encoding | None] = ()) -> bool:
    """Tell whether all messages of a block can be read, and are the same."""
    if not len(block):
        return True
    found = 0
    for stored in reader.get(int(block.ids[0]), int(block.ids[-1])):
        rows = np.flatnonzero(np.isin(stored.block.ids, block.ids))
        if not len(rows):
            continue
        there = stored.block.take(rows)
        sent = block.take(block.ids.searchsorted(there.ids).astype(np.intp))
        if _named(stored.encodings) != _named(encodings) or not same_messages(there, sent):
            return False
        found += len(rows)
    return found == len(block)


def _named(encodings: Sequence[Encoding | None]) -> tuple[Encoding | None, ...]:
    known = list(encodings)
    while known and known[-1] is None:
        known.pop()
    return tuple(known)
