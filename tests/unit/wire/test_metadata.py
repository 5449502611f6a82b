"""Metadata of a block: read when looked at, a group at a time, by row or by slice."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import NO_METADATA
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.metadata import GROUP, MetadataColumn, encode_metadata
from tests.unit.wire.block_cases import Corrupt, corruptions, metadata


def column(said: list[Any]) -> MetadataColumn:
    return MetadataColumn(np.frombuffer(encode_metadata(said), np.uint8), len(said))


@given(st.lists(metadata, max_size=5), st.integers(0, 3 * GROUP), st.slices(3 * GROUP), st.slices(20))
def test_it_is_a_sequence_of_what_was_written(some: list[Any], n: int, first: slice, then: slice) -> None:
    said = [*some, *({"row": row} for row in range(n))]
    found = column(said)
    assert len(found) == len(said)
    assert list(found) == [found[row] for row in range(len(said))] == said
    assert list(found[first]) == said[first]
    assert list(found[first][then]) == said[first][then]
    assert len(found[first][then]) == len(said[first][then])


def test_rows_from_behind_and_outside() -> None:
    found = column([{"row": row} for row in range(100)])
    assert found[-1] == {"row": 99}
    with pytest.raises(IndexError):
        found[100]


def test_nothing_said_is_one_and_the_same_empty_mapping() -> None:
    assert column([NO_METADATA])[0] is NO_METADATA


@given(st.lists(metadata, max_size=70), corruptions())
def test_damaged_bytes_are_refused_or_are_mappings(said: list[Any], corrupt: Corrupt) -> None:
    data = corrupt(encode_metadata(said))
    try:
        found = list(MetadataColumn(np.frombuffer(data, np.uint8), len(said)))
    except RemoteProtocolError:
        return
    assert len(found) == len(said)


def test_what_cannot_travel_is_named() -> None:
    with pytest.raises(ResultTypeError, match=r"metadata: a result holds a object"):
        encode_metadata([{"handle": object()}])
