"""What a selection selects, as NumPy does; and nothing that is outside."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import SelectionError
from penstock.web.hdf5_selection import flat_points, points_of, selected

SHAPE = (7, 5, 4)
ARRAY = np.arange(140).reshape(SHAPE)


@st.composite
def entries(draw: Any) -> tuple[str, Any]:
    """Draw one entry for each dimension, as text and for NumPy; one of them may be a list."""
    listed = draw(st.integers(0, 2 * len(SHAPE)))
    texts, index = [], []
    for k, length in enumerate(SHAPE):
        if k == listed:
            numbers = draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=4))
            texts.append(f"[{','.join(map(str, numbers))}]")
            index.append(np.array(numbers))
        elif draw(st.booleans()):
            number = draw(st.integers(0, length - 1))
            texts.append(str(number))
            index.append(np.array([number]))
        else:
            start = draw(st.integers(0, length))
            stop, step = draw(st.integers(start, length)), draw(st.integers(1, 4))
            texts.append(draw(st.sampled_from([f"{start}:{stop}:{step}", f" {start} : {stop} :{step} "])))
            index.append(np.arange(start, stop, step))
    return f"[{','.join(texts)}]", index


@given(entries())
def test_a_selection_is_numpys(drawn: tuple[str, Any]) -> None:
    text, index = drawn
    wanted = selected(text, SHAPE)
    expected = ARRAY[np.ix_(*index)]
    found = wanted.of(ARRAY)
    assert found.shape == wanted.shape
    assert found.tolist() == expected.tolist()
    if "[" not in text[1:]:
        assert np.may_share_memory(found, ARRAY) or not found.size, "nothing is copied yet"


def test_no_selection_takes_a_dimension_away() -> None:
    assert selected("[1,:,2]", SHAPE).of(ARRAY).tolist() == ARRAY[1:2, :, 2:3].tolist()
    assert selected("[1,::2,[0,3]]", SHAPE).of(ARRAY).tolist() == ARRAY[1:2, ::2, ::3].tolist()
    assert selected("", ()).shape == ()
    assert selected(" ", SHAPE).shape == SHAPE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[0:8,:,:]", "7 elements"), ("[7,:,:]", "outside dimension 0"), ("[0,[5],:]", "outside dimension 1"),
        ("[3:2,:,:]", "no part"), ("[::0,:,:]", "no part"), ("[-1,:,:]", "selects nothing"), ("[:,:]", "2 entries"),
        ("[:,:,:,:]", "4 entries"), ("0,:,:", "selects nothing"), ("[a,:,:]", "selects nothing"), ("[]", "1 entries"),
        ("[[],:,:]", "selects nothing"), ("[[1],[2],:]", "more than one list"), ("[[[1]],:,:]", "selects nothing"),
        ("[1:2:3:4,:,:]", "selects nothing"), ("[" * 3000, "selects nothing"), ("[\u0665,:,:]", "selects nothing"),
    ],
)  # fmt: skip
def test_another_one_is_refused_with_what_would_be_right(text: str, said: str) -> None:
    with pytest.raises(SelectionError, match=said):
        selected(text, SHAPE)


@given(st.lists(st.tuples(*(st.integers(0, length - 1) for length in SHAPE)), min_size=1, max_size=9))
def test_points_come_in_their_order(points: Any) -> None:
    expected = [ARRAY[point].item() for point in points]
    assert points_of(points, SHAPE).of(ARRAY).tolist() == expected
    as_sent = np.array(points, "<u8").tobytes()
    assert points_of(flat_points(as_sent, 3), SHAPE).of(ARRAY).tolist() == expected


def test_points_of_one_dimension_need_no_lists() -> None:
    row = np.arange(9)
    for points in ([8, 0, 0], [[8], [0], [0]]):
        assert points_of(points, (9,)).of(row).tolist() == [8, 0, 0]
    assert points_of([], SHAPE).of(ARRAY).shape == (0,)


@pytest.mark.parametrize(
    "points",
    [
        [[7, 0, 0]], [[-1, 0, 0]], [[0, 0]], [0, 0, 0], [[0, 0, 0], [0, 0]], [[0.5, 0, 0]], ["a"], [[True, True, True]],
        [[[0, 0, 0]]], [[2**63, 0, 0]], [[2**70, 0, 0]], [None], [{}],
    ],
)  # fmt: skip
def test_other_points_are_refused(points: Any) -> None:
    with pytest.raises(SelectionError, match="point"):
        points_of(points, SHAPE)


def test_bytes_that_are_no_points_are_refused() -> None:
    with pytest.raises(SelectionError, match="each is 3 numbers of 8 bytes"):
        flat_points(bytes(16), 3)
    with pytest.raises(SelectionError, match="no points"):
        points_of(flat_points(bytes(8), 0), ())
