"""The block builder: collects one stream's messages into blocks, numbered from 1.

It decides only where a block ends. It reads no clock: time comes in with each message.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, Column, RaggedColumn, concatenate
from penstock.core.message import Kind, Message

__all__ = ["BIG_BYTES", "MAX_BYTES", "MAX_MESSAGES", "MAX_NS", "BlockBuilder"]

MAX_BYTES = 1 << 20
MAX_MESSAGES = 4096
MAX_NS = 2_000_000
"""How long a message may wait for others, by default."""
BIG_BYTES = 256 << 10
"""A message with arrays of this size or more is a block by itself, and is not copied."""


class BlockBuilder:
    """Cut one stream into blocks.

    A block closes when it has 1 MB or 4096 messages, when its first message is 2 ms old and another comes, before a
    message of another kind or with a key where the others have none (or the reverse), around a big message, and when
    `close` is called, which whoever reads the source does before it waits.
    """

    __slots__ = (
        "_blocks", "_bytes", "_closed", "_is_keyed", "_kind", "_messages", "_next_id", "_opened_ns", "_rows", "stream",
    )  # fmt: skip

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self._next_id = 1
        self._closed: list[Block] = []
        self._messages: list[Message] = []
        self._blocks: list[Block] = []
        """Given as blocks, and to become one; there are none while there are messages."""
        self._rows = 0
        """In those blocks."""
        self._bytes = 0
        self._opened_ns = 0
        self._kind = Kind.DATA
        self._is_keyed = False

    @property
    def added(self) -> int:
        """How many messages it was given so far."""
        return self._next_id - 1 + len(self._messages)

    def add(self, message: Message, now_ns: int) -> int:
        """Take the next message, and return its size in bytes of arrays.

        Parameters
        ----------
        message
            Its id is not looked at.
        now_ns
            Of any clock that does not go back, the same for all calls.
        """
        if message.encodings:
            message = message.as_it_came()
        array = message.array
        size = 0 if array is None else array.nbytes
        if message.more:
            size += sum(other.nbytes for other in message.more)
        messages = self._messages
        if messages and (
            message.kind is not self._kind
            or (message.key is None) is self._is_keyed
            or self._bytes + size > MAX_BYTES
            or size >= BIG_BYTES
            or now_ns - self._opened_ns >= MAX_NS
        ):
            self._cut()
            messages = self._messages
        if not messages:
            self._opened_ns = now_ns
            self._kind = message.kind
            self._is_keyed = message.key is not None
        messages.append(message)
        self._bytes += size
        if size >= BIG_BYTES or len(messages) >= MAX_MESSAGES:
            self._cut()
        return size

    def add_either(self, given: Message | Block, now_ns: int) -> int:
        """Take a message, or a block of unnumbered ones; return its size in bytes of arrays. Else as `add`.

        Whoever gives blocks calls nothing but this: `add` does not look for them, since it is called for every message.
        """
        if type(given) is Block:
            return self._add_block(given, now_ns)
        if self._blocks:
            self._join_blocks()
        return self.add(given, now_ns)  # type: ignore[arg-type]  # what is none is noticed there

    def add_all(self, messages: Iterable[Message], now_ns: int) -> None:
        """Take several messages, in order."""
        for message in messages:
            self.add(message, now_ns)

    def take(self) -> list[Block]:
        """Return the blocks that are closed, in order, once."""
        closed, self._closed = self._closed, []
        return closed

    def close(self) -> list[Block]:
        """Close the block that is open, if any, and return all that are closed."""
        if self._messages:
            self._cut()
        if self._blocks:
            self._join_blocks()
        return self.take()

    def _add_block(self, block: Block, now_ns: int) -> int:
        if self._messages:
            self._cut()
        size = block.nbytes
        if self._blocks and (
            not _are_alike(self._blocks[0], block)
            or self._rows + len(block) > MAX_MESSAGES
            or self._bytes + size > MAX_BYTES
            or now_ns - self._opened_ns >= MAX_NS
        ):
            self._join_blocks()
        if not self._blocks:
            self._opened_ns = now_ns
        self._blocks.append(block)
        self._rows += len(block)
        self._bytes += size
        return size

    def _join_blocks(self) -> None:
        whole = concatenate(self._blocks)
        self._blocks, self._rows, self._bytes = [], 0, 0
        most = max(1, min(MAX_MESSAGES, MAX_BYTES * len(whole) // max(1, whole.nbytes)))
        for first in range(0, len(whole), most):
            piece = whole.take(slice(first, first + most)) if len(whole) > most else whole
            ids = np.arange(self._next_id, self._next_id + len(piece), dtype=np.uint64)
            self._closed.append(msgspec.structs.replace(piece, stream=self.stream, ids=ids))
            self._next_id += len(piece)

    def _cut(self) -> None:
        messages, self._messages, self._bytes = self._messages, [], 0
        self._closed.append(_block(self.stream, messages, self._next_id))
        self._next_id += len(messages)


def _are_alike(one: Block, other: Block) -> bool:
    """Return whether joining two blocks leaves their columns as they are."""
    return (
        (one.keys is None) is (other.keys is None)
        and len(one.columns) == len(other.columns) == 1
        and one.columns[0].dtype == other.columns[0].dtype  # type: ignore[union-attr]
        and one.columns[0].shape[1:] == other.columns[0].shape[1:]  # type: ignore[union-attr]
    )


def _block(stream: str, messages: list[Message], first_id: int) -> Block:
    columns = _shared_column(messages)
    if columns is None:
        return Block.of(stream, messages, first_id)
    return Block(
        stream=stream,
        kind=messages[0].kind,
        ids=np.arange(first_id, first_id + len(messages), dtype=np.uint64),
        keys=None if messages[0].key is None else np.array([message.key for message in messages], np.uint64),
        timestamps=np.array([message.timestamp_ns for message in messages], np.int64),
        metadata=tuple([m.metadata for m in messages]) if any(m.metadata for m in messages) else None,
        columns=columns,
    )


def _shared_column(messages: list[Message]) -> tuple[Column, ...] | None:
    """Return the columns where they need no more than one copy in one piece; ``None`` leaves them to `Block.of`."""
    first = messages[0]
    if first.array is None or first.more:
        return None
    if any(message.encodings for message in messages):
        return _encoded_row(first) if len(messages) == 1 else None
    if not isinstance(first.array, np.ndarray) or not first.array.nbytes:
        return None
    dtype, shape = first.array.dtype, first.array.shape
    arrays = [message.array for message in messages]
    for message in messages:
        array = message.array
        if (
            message.more
            or array is None
            or array.dtype is not dtype
            or array.shape != shape
            or not array.flags.c_contiguous
        ):
            return None
    if len(arrays) == 1:
        return (_one_row(arrays[0]),)
    # One join is a third faster than a copy a row, and the bytes it makes cannot be written.
    return (np.frombuffer(b"".join(arrays), dtype).reshape(len(arrays), *shape),)


def _encoded_row(message: Message) -> tuple[Column, ...] | None:
    """Return the column of one message, of its own bytes."""
    array, encoding = message.array, message.encodings[0]
    if encoding is None or array.dtype != np.uint8 or array.ndim != 1 or not array.flags.c_contiguous:
        return None
    row = _one_row(array).reshape(-1)
    offsets = np.array([0, len(row)], np.int64)
    return (RaggedColumn(row, offsets, ((row.dtype, row.shape),), np.zeros(1, np.int32), (encoding,)),)


def _one_row(array: NDArray[Any]) -> NDArray[Any]:
    row = array[np.newaxis]
    row.flags.writeable = False
    return row
