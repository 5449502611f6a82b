"""Stacks of modules put into an image, each pixel in the nearest one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.message import Message
from penstock.core.module_geometry import ModuleGeometry
from penstock.elements.steps.assemble import Assemble

AT: dict[str, Any] = {"a": [-1, 0], "b": {"corner": [2, 3], "slow": "-y", "fast": "-x"}}
STACK = np.arange(1, 9, dtype=np.uint16).reshape(2, 2, 2)


def test_pixels_lie_where_their_modules_do() -> None:
    found = Assemble(at=AT, fill=99)(Message(array=STACK, key=3))
    assert (found.key, found.array.dtype) == (3, np.uint16)
    assert found.array.tolist() == [[1, 2, 99, 99], [3, 4, 99, 99], [99, 99, 8, 7], [99, 99, 6, 5]]


@given(st.floats(0, 2 * np.pi), st.floats(-5, 5), st.floats(-5, 5))
def test_a_turned_module_loses_only_pixels_that_share_one(angle: float, y: float, x: float) -> None:
    at = {"a": {"corner": [y, x], "slow": [np.cos(angle), np.sin(angle)], "fast": [-np.sin(angle), np.cos(angle)]}}
    stack = np.arange(1, 31).reshape(1, 5, 6)
    image = Assemble(at=at)(stack)
    positions = ModuleGeometry.of((5, 6), at).positions()[0]
    positions -= positions.min(axis=(0, 1))
    for value in image[image > 0]:
        row, column = np.argwhere(image == value)[0]
        np.testing.assert_allclose(positions[(value - 1) // 6, (value - 1) % 6], [row, column], atol=0.5 + 1e-9)
    assert (image > 0).sum() >= 15


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"of shape \[2, 2\]; a stack of these modules has \[2, slow, fast\]"):
        Assemble(at=AT)(STACK[0])
    with pytest.raises(ValueError, match=r"b lies on a; move its corner"):
        Assemble(at={"a": [0, 0], "b": [1.2, 0.2]})(STACK)
    with pytest.raises(ValueError, match=r"fill is -1, which uint16 cannot hold"):
        Assemble(at=AT, fill=-1)(STACK)
    with pytest.raises(ValueError, match=r"a has nothing; write corner"):
        Assemble(at={"a": {}})
