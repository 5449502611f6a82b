"""Filling a slot in place: what a source wrote into the arrays is the block that readers see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Kind
from penstock.errors import ResultTypeError
from penstock.wire.layout import read_block, write_block
from penstock.wire.reserve import layout_of, reserve
from tests.unit.wire.block_cases import empty_slot, metadata, parts_of


@given(
    st.integers(0, 70),
    st.lists(st.tuples(st.sampled_from(["<u2", ">f4", "S3"]), st.sampled_from([(), (3,), (2, 0), (4, 5)])), max_size=3),
    st.booleans(),
    st.sampled_from(Kind),
    st.data(),
)
def test_what_was_filled_is_read(
    capacity: int, columns: list[tuple[str, tuple[int, ...]]], keyed: bool, kind: Kind, data: st.DataObject
) -> None:
    rows = data.draw(st.integers(0, capacity))
    said = data.draw(st.none() | st.lists(metadata, min_size=rows, max_size=rows)) if rows < 5 else None
    form = layout_of(capacity, *columns, keyed=keyed)
    slot = empty_slot(form.nbytes + 4096)
    filled = reserve(form, slot)
    filled.ids[:] = np.arange(capacity)
    filled.timestamps[:] = -np.arange(capacity)
    if filled.keys is not None:
        filled.keys[:] = 7
    for array in filled.columns:
        array[...] = 5
    block = read_block(filled.close(rows, said, kind), slot, "camera")
    assert block.kind is kind
    assert block.ids.tolist() == list(range(rows))
    assert block.timestamps.tolist() == [-n for n in range(rows)]
    assert (block.keys is not None) is keyed
    assert (None if block.metadata is None else list(map(dict, block.metadata))) == said
    for found, wanted, (dtype, shape) in zip(block.columns, filled.columns, columns, strict=True):
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.shape) == (np.dtype(dtype), (rows, *shape))
        assert found.tobytes() == wanted[:rows].tobytes()
    assert all(not array.nbytes or np.shares_memory(array, slot) for array in parts_of(block))
    assert all(array.__array_interface__["data"][0] % 64 == 0 for array in filled.columns)


def test_a_slot_can_be_filled_again_after_another_block_lay_in_it() -> None:
    form = layout_of(4, ("<u2", (3,)))
    slot = empty_slot(form.nbytes)
    filled = reserve(form, slot)
    first = read_block(filled.close(4), slot, "camera")
    slot[:] = 0xFF
    filled.ids[:] = 1
    second = read_block(filled.close(2), slot, "camera")
    assert isinstance(second.columns[0], np.ndarray)
    assert second.columns[0].shape == (2, 3)
    write_block(second, empty_slot(form.nbytes))
    assert first.ids[0] == 1


def test_a_dtype_that_is_an_array_is_more_axes() -> None:
    form = layout_of(2, (np.dtype(("<u2", (4,))), (3,)))
    assert form.types == ((np.dtype("<u2"), (3, 4)),)


def test_what_does_not_fit_is_named() -> None:
    form = layout_of(4, ("<u2", (3,)))
    with pytest.raises(ValueError, match=r"4 rows need 320 bytes; the slot has 100"):
        reserve(form, empty_slot(100))
    filled = reserve(form, empty_slot(form.nbytes))
    with pytest.raises(ValueError, match=r"5 rows filled of 4"):
        filled.close(5)
    with pytest.raises(ValueError, match=r"2 rows filled, with 1 metadata"):
        filled.close(2, [{}])
    with pytest.raises(ValueError, match=r"bytes of metadata in a slot with room for 0"):
        filled.close(1, [{"name": "gold"}])
    with pytest.raises(ResultTypeError, match=r"buffer 0 is an array of Python objects"):
        layout_of(1, (object, ()))
