"""What every store refuses to append, whatever its kind, and the texts that say so."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, RaggedColumn
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, ResultTypeError, StateError, StreamError
from penstock.streams.store import Encoding

__all__ = ["check_appendable", "check_is_stream", "conflict", "has_ended"]

MOST_NAMED = 5
"""Ids in the text of an error."""


def check_is_stream(address: StreamAddress) -> None:
    """Make sure that an address is that of a stream.

    Raises
    ------
    StreamError
        If it is not.
    """
    if not address.is_stream:
        raise StreamError(f"{address} names no stream; write beamtime/source/stream")


def check_appendable(address: StreamAddress, block: Block, encodings: Sequence[Encoding | None]) -> None:
    """Make sure of all that can be known of a block without knowing the stream.

    Raises
    ------
    StreamError
        If its ids do not ascend from 1.
    ResultTypeError
        If there are more encodings than columns, or an encoded column is not of bytes.
    """
    ids = block.ids
    if len(ids) and (not ids[0] or (len(ids) > 1 and not bool((ids[1:] > ids[:-1]).all()))):
        raise StreamError(f"{address}: the ids of a block must ascend from 1; these begin {_named(ids)}")
    if len(encodings) > len(block.columns):
        raise ResultTypeError(f"{address}: {len(encodings)} encodings for {len(block.columns)} buffers")
    for number, encoding in enumerate(encodings):
        if encoding is not None and not _is_of_bytes(block, number):
            raise ResultTypeError(f"{address}: buffer {number} is {encoding.name}, but no uint8 with one axis")


def conflict(address: StreamAddress, ids: NDArray[np.uint64]) -> ConflictError:
    """Return the error that says which ids are there already."""
    return ConflictError(f"{address} has these ids already: {_named(ids)}; nothing of the block was written")


def has_ended(address: StreamAddress, state: str, reason: str = "") -> StateError:
    """Return the error that says that a stream has ended: ``finished``, or ``aborted`` for a reason."""
    why = f" ({reason})" if reason else ""
    return StateError(f"{address} was {state}{why}; nothing can be appended: write another stream, or delete it first")


def _named(ids: NDArray[np.uint64]) -> str:
    more = len(ids) - MOST_NAMED
    return ", ".join(map(str, ids[:MOST_NAMED].tolist())) + (f" and {more} more" if more > 0 else "")


def _is_of_bytes(block: Block, number: int) -> bool:
    column = block.columns[number]
    if isinstance(column, RaggedColumn):
        return all(dtype == np.uint8 and len(shape) == 1 for dtype, shape in column.types)
    return column.dtype == np.uint8 and column.ndim == 2
