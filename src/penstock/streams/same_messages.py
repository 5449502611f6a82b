"""Whether two blocks hold the same messages, byte for byte, however they were cut and laid out."""

from itertools import starmap

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, Column, RaggedColumn
from penstock.core.encoding import Encoding
from penstock.core.message import NO_METADATA
from penstock.wire.metadata import encode_metadata

__all__ = ["same_messages"]


def same_messages(one: Block, other: Block) -> bool:
    """Tell whether ids, kind, keys, timestamps, metadata and buffers agree; not-a-numbers do if their bytes do.

    The name of the stream does not matter.
    """
    if len(one) != len(other) or one.kind is not other.kind or (one.keys is None) is not (other.keys is None):
        return False
    pairs = [(one.ids, other.ids), (one.timestamps, other.timestamps)]
    if one.keys is not None and other.keys is not None:
        pairs.append((one.keys, other.keys))
    if not all(starmap(np.array_equal, pairs)):
        return False
    columns = max(len(one.columns), len(other.columns))
    return _same_metadata(one, other) and all(_same_column(one, other, number) for number in range(columns))


def _same_metadata(one: Block, other: Block) -> bool:
    if one.metadata is None and other.metadata is None:
        return True
    mine, its = (block.metadata or [NO_METADATA] * len(one) for block in (one, other))
    if encode_metadata(mine) == encode_metadata(its):  # as bytes, in which not-a-number is like itself
        return True
    try:
        return [dict(said) for said in mine] == [dict(said) for said in its]  # a set has no order
    except ValueError:  # arrays, which differ
        return False


def _same_column(one: Block, other: Block, number: int) -> bool:
    mine, its = (block.columns[number] if number < len(block.columns) else None for block in (one, other))
    if isinstance(mine, np.ndarray) and isinstance(its, np.ndarray):
        return _same_array(mine, its)
    return all(
        _same_array(_row(mine, row), _row(its, row)) and _encoding(mine, row) == _encoding(its, row)
        for row in range(len(one))
    )


def _row(column: Column | None, row: int) -> NDArray[np.generic] | None:
    if column is None:
        return None
    return column[row] if isinstance(column, RaggedColumn) else column[row, ...]


def _encoding(column: Column | None, row: int) -> Encoding | None:
    return column.encoding(row) if isinstance(column, RaggedColumn) else None


def _same_array(one: NDArray[np.generic] | None, other: NDArray[np.generic] | None) -> bool:
    if one is None or other is None:
        return one is other
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if not one.nbytes:
        return True
    if one.dtype.names is not None:  # what lies between fields is whatever lay there, and no copy keeps it
        mine, its = one.view(np.recarray), other.view(np.recarray)
        return all(_same_array(mine[name], its[name]) for name in one.dtype.names)
    return bool(np.array_equal(_bytes(one), _bytes(other)))


def _bytes(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
