"""Modules of a detector: every pixel lies where the geometry says, and what is missing is masked and counted."""

import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import DetectorImage, Kind, ModuleGeometry
from penstock.elements.modules import Modules
from penstock.testing import make_event, make_message

SIDES = {"+y": "xX", "-y": "xX", "+x": "yY", "-x": "yY"}
DIRECTIONS = [(slow, fast) for slow in SIDES for fast in SIDES if SIDES[slow] != SIDES[fast]]

modules_of = st.lists(
    st.tuples(st.sampled_from(DIRECTIONS), st.tuples(st.integers(0, 5), st.integers(0, 5)), st.booleans()),
    min_size=1,
    max_size=5,
)


def image_of(modules: Modules, **parts: Any) -> DetectorImage:
    image = modules(make_event(3, **parts))
    assert image is not None
    return image


@given(shape=st.tuples(st.integers(1, 5), st.integers(1, 5)), written=modules_of)
def test_every_pixel_lies_where_the_geometry_says(shape: tuple[int, int], written: list[Any]) -> None:
    at = {}
    for n, ((slow, fast), (y, x), _) in enumerate(written):
        corner = [y + 6 + 16 * (n % 2), x + 6 + 16 * (n // 2)]  # far enough from each other to be turned anyhow
        at[f"m{n}"] = {"corner": corner, "slow": slow, "fast": fast}
    modules = Modules(shape=shape, at=at, fill=-1)
    pixels = np.arange(len(at) * shape[0] * shape[1]).reshape(len(at), *shape)
    is_there = [True, *(there for *_, there in written[1:])]
    image = image_of(modules, **{name: pixels[n] if is_there[n] else None for n, name in enumerate(at)})
    seen = np.zeros(image.array.shape, bool)
    for n, places in enumerate(np.rint(modules.geometry.positions()).astype(int)):
        for place, pixel in zip(places.reshape(-1, 2).tolist(), pixels[n].reshape(-1).tolist(), strict=True):
            assert image.array[tuple(place)] == (pixel if is_there[n] else -1)
            seen[tuple(place)] = is_there[n]
    assert np.array_equal(image.mask, ~seen)
    assert np.array_equal(image.array == -1, image.mask)
    assert image.missing == tuple(name for n, name in enumerate(at) if not is_there[n])


def test_a_missing_module_is_masked_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    modules = Modules(shape=[2, 3], at={"a": [0, 0], "b": [0, 4], "c": [3, 0]}, fill=np.nan)
    ones = np.ones((2, 3), np.float32)
    with caplog.at_level(logging.INFO, "penstock"):
        first = image_of(modules, a=ones, b=None, c=ones)
    second = image_of(modules, a=ones, b=None, c=None)
    whole = image_of(modules, a=ones, b=ones, c=ones)
    assert [each.missing for each in (first, second, whole)] == [("b",), ("b", "c"), ()]
    assert modules.missing == {"a": 0, "b": 2, "c": 1}
    assert whole.array.dtype == np.float32
    assert np.array_equal(np.isnan(first.array), first.mask)
    assert (~whole.mask).sum() == 18
    assert "module b is missing" in caplog.text


def test_a_stack_has_the_modules_as_they_came_wherever_they_lie() -> None:
    tilted = {"corner": [0.5, 10.25], "slow": [0.8, -0.6], "fast": [0.6, 0.8]}
    modules = Modules(shape=[2, 3], at={"a": [0, 0], "b": tilted}, layout="stack")
    pixels = np.arange(6, dtype=np.uint16).reshape(2, 3)
    image = image_of(modules, a=None, b=pixels)
    assert image.array.tolist() == [[[0, 0, 0], [0, 0, 0]], pixels.tolist()]
    assert image.mask.tolist() == [[[True] * 3] * 2, [[False] * 3] * 2]
    assert image.geometry.positions()[1, 1, 2].tolist() == pytest.approx([0.5 + 0.8 + 1.2, 10.25 - 0.6 + 1.6])


def test_the_frame_is_that_of_its_modules() -> None:
    modules = Modules(shape=[1, 1], at={"a": [0, 0], "b": [0, 1]})
    event = make_event(0, a=None, b=make_message(np.ones((1, 1)), key=41, timestamp_ns=7))
    image = modules(event)
    assert image is not None
    assert (image.key, image.timestamp_ns) == (41, 7)


def test_where_no_module_is_there_is_no_detector() -> None:
    modules = Modules(shape=[1, 1], at={"a": [0, 0]})
    assert modules(make_event(0, a=None, motors={"x": 1})) is None
    assert modules(make_event(0, kind=Kind.START, a={"filename": "a.h5"})) is None
    assert modules.missing == {"a": 0}


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"a": np.zeros((3, 3)), "b": None}, r"a has shape \[3, 3\]; modules have \[2, 2\]"),
        ({"a": {"x": 1}, "b": None}, r"a has shape \[\]; modules"),
        ({"a": np.zeros((2, 2)), "b": np.zeros((2, 2), int)}, "b has dtype int64, and a has float64"),
        ({"a": [np.zeros((2, 2)), np.zeros((2, 2))], "b": None}, "a has 2 frames in one event"),
        ({"a": np.zeros((2, 2), np.uint8), "b": None}, "fill is -1, which uint8 cannot hold"),
    ],
)
def test_what_cannot_be_a_module_is_refused(parts: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Modules(shape=[2, 2], at={"a": [0, 0], "b": [0, 2]}, fill=-1)(make_event(0, **parts))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"shape": [2]}, r"shape is \[2\]; write \[slow, fast\]"),
        ({"at": {}}, "at names no modules"),
        ({"layout": "pile"}, "write image, or stack"),
        ({"at": {"a": [0]}}, r"corner of a is \[0\]; write two numbers"),
        ({"at": {"a": {"corner": [0, 0], "slow": "up"}}}, r"slow of a is 'up'; write \+y"),
        ({"at": {"a": {"corner": [0, 0], "slow": "+x"}}}, "slow and fast of a .* run the same way"),
        ({"at": {"a": {"cornre": [0, 0]}}}, "a has cornre; write corner"),
        ({"at": {"a": [0, 0], "b": [1, 1]}}, "b lies on a"),
        ({"at": {"a": [0.5, 0]}}, "between pixels; write layout: stack"),
        ({"at": {"a": {"corner": [0, 0], "slow": [1, 0.1]}}}, "neither rows nor columns; write layout: stack"),
        ({"at": {"a": [-1, 0]}}, r"a begins at \[-1, 0\]; move all corners"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Modules(**{"shape": [2, 2], "at": {"a": [0, 0]}, **arguments})


def test_what_is_no_event_is_told_where_it_belongs() -> None:
    message: Any = make_message(np.zeros((2, 2)))
    with pytest.raises(TypeError, match="modules got a Message; write it behind a join"):
        Modules(shape=[2, 2], at={"a": [0, 0]})(message)


def test_places_are_exact_where_modules_touch() -> None:
    geometry = ModuleGeometry.of(
        [3, 2], {"a": [0, 0], "b": [0, 2], "c": {"corner": [5, 3], "slow": "-y", "fast": "-x"}}
    )
    assert geometry.image_shape == (6, 4)
    assert [place.region for place in geometry.places()] == [
        (slice(0, 3), slice(0, 2)), (slice(0, 3), slice(2, 4)), (slice(3, 6), slice(2, 4))
    ]  # fmt: skip
