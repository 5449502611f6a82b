"""Trees of views are walked, copied, and refused where a name or a leaf is none."""

from typing import Any

import numpy as np
import pytest

from penstock.errors import ResultTypeError
from penstock.views import ArrayView, array_of, attributes_of, snapshot, walk


def test_a_walk_gives_paths_in_order() -> None:
    tree = {"b": {"x": 1, "a": {"y": [1, 2]}}, "a": "text", "empty": {}}
    assert list(walk(tree)) == [("b/x", 1), ("b/a/y", [1, 2]), ("a", "text")]


@pytest.mark.parametrize("name", ["", "a/b", 3, None])
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(ResultTypeError, match=r"views/map: .* cannot name a view"):
        list(walk({"map": {name: 1}}))


@pytest.mark.parametrize("leaf", [1, 1.5, True, "text", b"bytes", [1, 2], ["a", "b"], np.arange(3), ArrayView((2,))])
def test_leaves_are_arrays(leaf: Any) -> None:
    assert array_of(leaf).dtype != object


@pytest.mark.parametrize("leaf", [None, object(), [1, [2, 3]], {1, 2}, [None]])
def test_leaves_that_are_none(leaf: Any) -> None:
    with pytest.raises(ResultTypeError, match="view a/b: "):
        array_of(leaf, "a/b")


def test_attributes() -> None:
    assert attributes_of(ArrayView((2,), unit="V")) == {"unit": "V"}
    assert attributes_of(np.arange(3)) == {}


def test_a_snapshot_stays() -> None:
    view, array, plain = ArrayView((2,), "i8", unit="V"), np.zeros(2), [1, [2]]
    tree = {"deep": {"view": view}, "array": array, "list": plain, "text": "t"}
    still = snapshot(tree)
    view.set(0, 1)
    array[0] = 1
    plain.append(3)
    plain[1].append(4)  # type: ignore[attr-defined]  # a list in a list
    assert still["deep"]["view"].array.tolist() == [0, 0]
    assert still["deep"]["view"].unit == "V"
    assert still["array"].tolist() == [0, 0]
    assert still["list"] == [1, [2]]
