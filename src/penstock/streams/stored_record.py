"""What a query can ask of a stored message, read from its block only when the query asks for it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, RaggedColumn
from penstock.core.message import NO_METADATA
from penstock.streams.store import StoredBlock

__all__ = ["StoredRecord", "stored_records"]

_NAMES: Final = ("_id", "key", "timestamp", "size", "meta")


class StoredRecord(Mapping[str, Any]):
    """One message of a stored block, as ``penstock.core.query.message_record`` has it; the block is kept."""

    __slots__ = ("_block", "_row")

    def __init__(self, block: "_Sized", row: int) -> None:
        self._block = block
        self._row = row

    @property
    def stored(self) -> StoredBlock:
        """The message, alone in a block."""
        return self._block.stored.take(slice(self._row, self._row + 1))

    def __getitem__(self, name: str) -> Any:
        block, row = self._block.stored.block, self._row
        match name:
            case "_id":
                return int(block.ids[row])
            case "key":
                return None if block.keys is None else int(block.keys[row])
            case "timestamp":
                return int(block.timestamps[row])
            case "size":
                return int(self._block.sizes()[row])
            case "meta":
                return NO_METADATA if block.metadata is None else block.metadata[row]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


def stored_records(stored: StoredBlock) -> Iterator[StoredRecord]:
    """Yield the messages of a block as records."""
    sized = _Sized(stored)
    return (StoredRecord(sized, row) for row in range(len(stored.block)))


class _Sized:
    """A block, and the sizes of its messages once somebody asks for them."""

    __slots__ = ("_sizes", "stored")

    def __init__(self, stored: StoredBlock) -> None:
        self.stored = stored
        self._sizes: NDArray[np.int64] | None = None

    def sizes(self) -> NDArray[np.int64]:
        """(n,), bytes of the buffers of each message."""
        if self._sizes is None:
            self._sizes = _sizes(self.stored.block)
        return self._sizes


def _sizes(block: Block) -> NDArray[np.int64]:
    total = np.zeros(len(block), np.int64)
    for column in block.columns:
        if isinstance(column, RaggedColumn):
            total += np.diff(column.offsets)
        elif len(column):
            total += column.nbytes // len(column)
    return total
