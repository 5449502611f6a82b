"""Types and elements, held against what h5pyd's own library makes of them."""

from typing import Any

import numpy as np
import pytest

from penstock.errors import ResultTypeError
from penstock.web.hdf5_types import as_bytes, as_json, sent_dtype, type_of

RECORD = np.dtype(
    [("x", "f4"), ("n", ">i2"), ("name", "U3"), ("tag", "S2"), ("v", "f8", (2,)), ("in", [("t", "M8[ms]")])], align=True
)


def records() -> Any:
    found = np.zeros((2, 2), RECORD)
    found["x"], found["n"], found["tag"], found["v"] = 1.5, [[1, 2], [3, 4]], b"q", [2, 3]
    found["name"] = [["µx", ""], ["abc", "漢字x"]]
    found["in"]["t"] = np.datetime64("2026-01-01")
    return found


KINDS = ("i1", "u1", "<i2", ">u2", "i4", ">i8", "u8", "f2", ">f4", "f8")
ARRAYS = [
    *(np.arange(6).reshape(2, 3).astype(kind) for kind in KINDS),
    np.array([True, False]), np.array(3.5), np.array(np.nan), np.array([np.nan, -np.inf, np.inf, 1]),
    np.array(b"abc"), np.array([b"", b"a\xff"]), np.zeros((0, 3)), records(),
    np.array([1 + 2j, 3], "c8"), np.array([(1, 2)], [("a", "i4"), ("b", "u1")])[0],
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_a_client_gets_the_elements(array: Any) -> None:
    library = pytest.importorskip("h5json", reason="h5pyd is needed: ./dev setup installs it")
    dtype = library.hdf5dtype.createDataType(type_of(array.dtype))
    if array.dtype.kind != "c":  # of datasets, h5pyd leaves them as compounds
        assert dtype == sent_dtype(array.dtype)
    found = library.array_util.bytesToArray(bytes(as_bytes(array)), dtype, array.shape)
    if array.dtype == RECORD:
        assert found["n"].tolist() == array["n"].tolist()
        assert [[name.decode() for name in row] for row in found["name"]] == array["name"].tolist()
        assert found["v"].tolist() == array["v"].tolist()
        assert (found["in"]["t"] == np.datetime64("2026-01-01", "ns").astype("i8")).all()
        assert (found["x"] == array["x"]).all()
        return
    assert found.view(array.dtype).tobytes() == array.tobytes()
    if array.dtype.kind in "biuf":
        again = library.array_util.jsonToArray(array.shape, dtype, as_json(array))
        assert np.array_equal(again, array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize("texts", [np.array("stéady"), np.array([["a", ""], ["漢字", "bb"]])])
def test_text_is_of_variable_length(texts: Any) -> None:
    library = pytest.importorskip("h5json", reason="h5pyd is needed: ./dev setup installs it")
    dtype = library.hdf5dtype.createDataType(type_of(texts.dtype))
    assert library.array_util.bytesToArray(as_bytes(texts), dtype, texts.shape).tolist() == texts.tolist()
    assert as_json(texts) == texts.tolist()


def test_json_has_words_for_what_is_no_number_and_lists_for_compounds() -> None:
    assert as_json(np.array([1, np.nan, -np.inf])) == [1, "NaN", "-Infinity"]
    assert as_json(np.array([[1 + 2j, complex(np.nan, 1)]])) == [[[1, 2], ["NaN", 1]]]
    assert as_json(records())[0][0] == [1.5, 1, "µx", "q", [2, 3], [1767225600000000000]]
    assert as_json(np.array(np.inf)) == "Infinity"
    assert as_json(np.array([b"a\xff"])) == ["a\ufffd"]


@pytest.mark.parametrize("dtype", ["g", "G", "V3", "m8", [("a", "V2")], []])
def test_what_hdf5_has_nothing_for_is_refused(dtype: Any) -> None:
    with pytest.raises(ResultTypeError, match="has no type for"):
        type_of(np.dtype(dtype))
