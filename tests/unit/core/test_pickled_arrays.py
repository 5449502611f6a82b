"""Pickled arrays that are read at once are what reading them with care gives."""

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.core.pickled_arrays import PickledArrays
from penstock.core.unpickle import unpickle
from penstock.errors import RemoteProtocolError

forms = st.lists(
    st.tuples(st.sampled_from(["u4", "f8", ">i2"]), st.sampled_from([(1,), (4,), (2, 3)])), min_size=1, max_size=4
)


def arrays(forms: Sequence[tuple[str, tuple[int, ...]]], seed: int) -> list[NDArray[Any]]:
    dice = np.random.default_rng(seed)
    return [dice.integers(0, 1000, shape).astype(dtype) for dtype, shape in forms]


def alike(one: Any, other: Any) -> bool:
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(one, other, strict=True)
    )


@given(forms, st.sampled_from([2, 3, 4, 5]), st.lists(st.integers(0, 3), min_size=2, max_size=6))
def test_they_are_what_reading_with_care_gives(
    forms: Sequence[tuple[str, tuple[int, ...]]], protocol: int, seeds: list[int]
) -> None:
    reader = PickledArrays()
    for number, seed in enumerate(seeds):
        raw = pickle.dumps(arrays(forms, seed), protocol=protocol)
        value = reader.read(memoryview(raw))
        assert alike(value, unpickle(raw))
        assert not any(array.flags.writeable for array in value)
        assert not (reader.is_known and not number)
        if protocol in (3, 4) and seeds[number] == seeds[number - 1] and number:
            assert reader.is_known


def test_new_contents_of_the_same_form_are_known() -> None:
    reader = PickledArrays()
    shared = np.zeros(3)
    for value in (0, 7, 9):
        raw = pickle.dumps([np.full(4, value, np.uint32), shared, shared + value], protocol=3)
        assert alike(reader.read(raw), unpickle(raw))
    assert reader.is_known


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_byte_changed_anywhere_is_read_as_if_nothing_had_been_before(at: int, byte: int) -> None:
    raw = bytearray(pickle.dumps([np.arange(4, dtype=np.uint32), np.zeros((2, 2))], protocol=3))
    reader = PickledArrays()
    reader.read(bytes(raw))
    raw[at % len(raw)] = byte
    try:
        wanted = unpickle(bytes(raw))
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            reader.read(bytes(raw))
        return
    found = reader.read(bytes(raw))
    if isinstance(wanted, list) and all(isinstance(each, np.ndarray) for each in wanted):
        assert alike(found, wanted)
    else:
        assert repr(found) == repr(wanted)
