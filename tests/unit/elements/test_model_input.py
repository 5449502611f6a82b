"""Arrays of events made to fit what a model takes, or told why they do not."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.elements.model_input import ModelInput


@given(st.lists(st.integers(1, 3), max_size=3), st.integers(0, 2), st.booleans(), st.integers(1, 4), st.data())
def test_axes_of_one_are_added_and_nothing_is_moved(
    shape: list[int], ones: int, at_end: bool, n: int, data: Any
) -> None:
    wanted = [*shape, *[1] * ones] if at_end else [*[1] * ones, *shape]
    is_open = data.draw(st.lists(st.booleans(), min_size=len(wanted), max_size=len(wanted)))
    declared = tuple(None if each else size for each, size in zip(is_open, wanted, strict=True))
    arrays = [np.arange(np.prod(shape, dtype=int)).reshape(shape) + k for k in range(n)]
    found = ModelInput(name="x", shape=declared).column(arrays, "camera", "net")
    assert (found.ndim, len(found)) == (1 + len(wanted), n)
    assert found.reshape(n, -1).tolist() == [array.reshape(-1).tolist() for array in arrays]


@pytest.mark.parametrize("shape", [(3, 2), (2,), (1, 1, 2, 3), (2, 3, 2)])
def test_what_does_not_fit_names_both_shapes(shape: tuple[int, ...]) -> None:
    text = f'camera has shape {list(shape)}, and input "x" of net.onnx takes [1, 2, 3] for each event'
    with pytest.raises(ValueError, match=re.escape(text)):
        ModelInput(name="x", shape=(1, 2, 3)).column([np.zeros(shape)], "camera", "net.onnx")


def test_a_batch_is_of_one_shape_and_of_numbers() -> None:
    entry = ModelInput(name="x")
    with pytest.raises(ValueError, match=r"camera has shapes \[2\] and \[3\]; a batch is of one"):
        entry.column([np.zeros(2), np.zeros(3)], "camera", "net")
    with pytest.raises(ValueError, match=r"camera is of dtype <U4; a model is fed numbers"):
        entry.column(["text"], "camera", "net")


def test_numbers_become_what_the_model_takes_or_are_refused() -> None:
    entry = ModelInput(name="x")
    counts = np.array([[0, 300]], np.uint16)
    found = entry.converted(counts, None, 0.5, 100.0, "camera")
    assert found.dtype == np.float32
    assert found.tolist() == [[-50.0, 100.0]]
    assert entry.converted(counts, np.dtype(np.int64), 1.0, 0.0, "camera").dtype == np.int64
    assert entry.converted(counts, np.dtype(np.uint8), 0.5, 0.0, "camera").tolist() == [[0, 150]]
    for scale, offset in ((1.0, 0.0), (1.0, 1.0), (0.1, 5.0)):
        with pytest.raises(ValueError, match="camera has numbers that uint8 cannot hold"):
            entry.converted(counts, np.dtype(np.uint8), scale, offset, "camera")
