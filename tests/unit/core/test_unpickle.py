"""The restricted unpickler: reads what instruments send, calls nothing, survives everything."""

import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from penstock.core.unpickle import unpickle
from penstock.errors import RemoteProtocolError
from penstock.testing.hostile import PICKLES

PLAIN_NAMES = {"number", "text", "dictionary without status", "status nobody has", "status that is a list"}
"""Entries of the corpus that are sound pickles, of something no instrument sends."""

scalars = (
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | st.text() | st.binary()
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
arrays = nps.arrays(
    st.sampled_from(["?", "i1", "<u2", ">u2", "u4", "i8", "f4", "f8", "c16", "S3", "U2"]),
    nps.array_shapes(min_dims=0, max_dims=3, min_side=0),
)


@given(trees, st.integers(2, 5))
def test_plain_values_are_read(value: Any, protocol: int) -> None:
    assert unpickle(pickle.dumps(value, protocol)) == value


@given(arrays, st.integers(2, 5), st.sampled_from(["C", "F"]))
def test_arrays_are_read(array: "np.ndarray[Any, Any]", protocol: int, order: Any) -> None:
    sent = np.asarray(array, order=order)
    got = unpickle(pickle.dumps([sent], protocol))[0]
    assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
    assert got.tobytes() == sent.tobytes()
    assert not got.flags.writeable


@pytest.mark.parametrize("protocol", range(2, 6))
def test_numpy_scalars_are_read(protocol: int) -> None:
    got = unpickle(pickle.dumps({"a": np.float64(1.5), "b": np.int32(-3)}, protocol))
    assert got == {"a": 1.5, "b": -3}
    assert got["b"].dtype == np.int32


def test_the_names_before_numpy_2_are_read() -> None:
    pickled = pickle.dumps(np.arange(3), 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert unpickle(pickled).tolist() == [0, 1, 2]


def test_an_ordered_dict_becomes_a_dict_in_its_order() -> None:
    got = unpickle(pickle.dumps(OrderedDict(b=1, a=2), 2))
    assert type(got) is dict
    assert list(got.items()) == [("b", 1), ("a", 2)]


def test_what_is_shared_is_repeated() -> None:
    shared = [1, 2]
    got = unpickle(pickle.dumps([shared, shared]))
    assert got == [[1, 2], [1, 2]]


@pytest.mark.parametrize("name", sorted(set(PICKLES) - PLAIN_NAMES))
def test_hostile_pickles_are_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError):
        unpickle(PICKLES[name])


@pytest.mark.parametrize("name", sorted(PLAIN_NAMES))
def test_the_rest_of_the_corpus_is_sound(name: str) -> None:
    unpickle(PICKLES[name])


@pytest.mark.parametrize(
    "value", [np.array([None]), np.zeros(2, "f8,u2"), np.zeros(2, "M8[s]"), {1, 2}, print, complex(1)]
)
def test_other_types_are_refused(value: Any) -> None:
    for protocol in range(6):
        with pytest.raises(RemoteProtocolError):
            unpickle(pickle.dumps(value, protocol))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("few bytes, many values", "more than 100000 values"),
        ("few bytes, much content", "more than 100000 values"),
        ("lists in lists", "32 levels"),
        ("list that holds itself", "32 levels"),
        ("array of objects", "dtype O8"),
        ("huge shape, no content", r"0 bytes where shape \(2147483647, 2147483647\)"),
        ("bytes longer than any memory", "truncated"),
        ("encode with another codec", "_codecs.encode"),
        ("reconstruct with a huge typecode", "not a plain array"),
    ],
)
def test_each_is_refused_for_its_reason(name: str, says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says):
        unpickle(PICKLES[name])


def test_a_forbidden_global_is_named() -> None:
    with pytest.raises(RemoteProtocolError, match=r"the global posix\.system, which is not allowed"):
        unpickle(PICKLES["system, protocol 4"])


WHOLE = pickle.dumps({"x": np.arange(4.0), "t": ("a", b"b", [1.5, None, True]), "d": OrderedDict(a=np.int16(3))}, 4)


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_truncation_at_every_byte_is_refused(length: int) -> None:
    with pytest.raises(RemoteProtocolError):
        unpickle(WHOLE[:length])


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4))
def test_damage_gives_a_value_or_the_one_error(at: int, put: bytes) -> None:
    try:
        unpickle(WHOLE[:at] + put + WHOLE[at + len(put) :])
    except RemoteProtocolError:
        return


@given(st.binary(max_size=200))
def test_garbage_gives_the_one_error(garbage: bytes) -> None:
    try:
        unpickle(b"\x80\x04" + garbage)
    except RemoteProtocolError:
        return
