"""Steps that work on arrays and numbers: regions, bins, statistics; and the log."""

import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from penstock.elements.steps.bin import Bin
from penstock.elements.steps.log import Log
from penstock.elements.steps.roi import Roi
from penstock.elements.steps.statistics import Statistics
from penstock.testing import make_message

IMAGE = np.arange(24).reshape(4, 6)


@pytest.mark.parametrize(
    ("region", "index"),
    [
        ("1:3, 2:4", np.s_[1:3, 2:4]),
        ("1:3", np.s_[1:3]),
        (":, -2:", np.s_[:, -2:]),
        ("..., 1:2", np.s_[..., 1:2]),
        ("::2, ::-1", np.s_[::2, ::-1]),
        (2, np.s_[2]),
        ("-1, 0:6", np.s_[-1, 0:6]),
    ],
)
def test_a_region(region: Any, index: Any) -> None:
    cut = Roi(region)
    found = cut(IMAGE)
    assert found.tolist() == IMAGE[index].tolist()
    assert np.shares_memory(found, IMAGE)
    assert cut(make_message(IMAGE, key=3)).array.tolist() == found.tolist()
    assert Roi(region, field="image")({"image": IMAGE, "n": 1})["image"].tolist() == found.tolist()


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("0:5", "leaves axis 0, which has 4 elements"),
        (":, 3:7", "leaves axis 1, which has 6 elements"),
        ("4", "has no region 4: 4 is outside"),
        ("2:2", "is empty in axis 0"),
        ("0, 0, 0", "3 entries for 2 dimensions"),
    ],
)
def test_a_region_that_is_not_there(region: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Roi(region)(IMAGE)


@pytest.mark.parametrize("region", ["", "a:b", "1:2:0", "..., ..."])
def test_what_is_no_region(region: str) -> None:
    with pytest.raises(ValueError, match=r"roi needs|selects nothing|step of 0|more than one"):
        Roi(region)


def test_arrays_of_several_shapes() -> None:
    cut = Roi("-2:")
    assert [cut(np.arange(n)).tolist() for n in (3, 5, 3)] == [[1, 2], [3, 4], [1, 2]]
    with pytest.raises(TypeError, match="this item is of type list, not an array"):
        cut([1, 2])


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**16))
def test_bins(rows: int, columns: int, high: int, wide: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 2**16, (rows * high, columns * wide), np.uint16)
    found = Bin([high, wide])(image)
    expected = [
        [int(image[r * high : (r + 1) * high, c * wide : (c + 1) * wide].astype(int).sum()) for c in range(columns)]
        for r in range(rows)
    ]
    assert found.tolist() == expected
    assert found.dtype == np.uint64


def test_bins_of_the_last_axes() -> None:
    stack = np.ones((3, 4, 6), np.float32)
    assert Bin(2)(stack).shape == (3, 2, 3)
    assert Bin([3])(stack).shape == (3, 4, 2)
    assert Bin([3, 2, 6])(stack).tolist() == [[[36.0], [36.0]]]
    assert Bin(2)(np.arange(4)).tolist() == [1, 5]
    assert Bin(2)(stack).dtype == np.float32
    assert Bin(2, field="image")({"image": stack})["image"].shape == (3, 2, 3)
    assert Bin(2)(make_message(stack, key=1)).array.shape == (3, 2, 3)


def test_what_does_not_fill_bins_is_refused() -> None:
    with pytest.raises(ValueError, match=r"axis 0 of shape \(5, 6\) is 1 more than whole bins of 2; cut it with roi"):
        Bin(2)(np.ones((5, 6)))
    with pytest.raises(ValueError, match="has no 2 axes to bin"):
        Bin([2, 2])(np.ones(4))
    for by in (0, [], [2, -1]):
        with pytest.raises(ValueError, match="write a number of 1 or more, or one for each"):
            Bin(by)


NUMBERS = st.floats(-1e6, 1e6) | st.just(float("nan"))


def expected_of(values: Any) -> dict[str, Any]:
    """Say what statistics NumPy finds along the first axis."""
    there = np.asarray(values, float)
    n = (~np.isnan(there)).sum(axis=0)
    with np.errstate(all="ignore"):
        mean = np.where(n > 0, np.nansum(there, axis=0) / n, np.nan)
        std = np.where(n > 1, np.sqrt(np.nansum((there - mean) ** 2, axis=0) / (n - 1)), np.nan)
    return {"mean": mean, "std": std, "min": np.fmin.reduce(there, axis=0), "max": np.fmax.reduce(there, axis=0)}


@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_statistics_of_numbers(values: list[float]) -> None:
    running = Statistics("I0")
    for number, value in enumerate(values, 1):
        found = running({"I0": value})
        assert found["n"] == sum(each == each for each in values[:number])
        for name, expected in expected_of(values[:number]).items():
            assert found[name] == pytest.approx(float(expected), rel=1e-9, abs=1e-6, nan_ok=True)
    assert Statistics()(values) == pytest.approx(found, nan_ok=True)


@given(hn.arrays(float, st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3)), elements=NUMBERS))
def test_statistics_of_arrays(values: Any) -> None:
    running = Statistics("image")
    shown = [running({"image": value, "I0": 1}) for value in values]
    assert [each["n"] for each in shown] == list(range(1, len(values) + 1))
    for number, found in enumerate(shown, 1):  # also those shown earlier: they are not changed any more
        for name, expected in expected_of(values[:number]).items():
            np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-6)


def test_statistics_of_the_arrays_of_messages() -> None:
    running = Statistics()
    running(make_message([1.0, 2.0], I0=1))
    assert running(make_message([3.0, 2.0]))["mean"].tolist() == [2.0, 2.0]


def test_statistics_stay_exact_far_from_zero() -> None:
    running = Statistics()
    for value in [1e9 + 1, 1e9 + 2, 1e9 + 3] * 1000:
        found = running(value)
    assert found["std"] == pytest.approx(0.8166326, rel=1e-6)


def test_statistics_of_a_window_stand_alone() -> None:
    running = Statistics("x")
    running({"x": 100})
    assert running([{"x": 1}, {"x": 3}])["mean"] == 2
    assert running([])["n"] == 0
    assert np.isnan(running([])["mean"])
    assert running({"x": 200})["mean"] == 150


def test_what_does_not_fit_statistics() -> None:
    running = Statistics()
    running(np.ones(3))
    with pytest.raises(ValueError, match=r"shape \(4,\) after values of shape \(3,\)"):
        running(np.ones(4))
    with pytest.raises(ValueError, match=r"a number after arrays of shape \(3,\)"):
        running(1.0)
    with pytest.raises(ValueError, match="not a number"):
        Statistics("name")({"name": "Fe"})


def test_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    item = {"I0": 0.25, "name": "Fe", "list": [1]}
    with caplog.at_level(logging.INFO, "penstock.log"):
        assert Log("{name}: {I0:.1f}, {I0 * 2}, {list}, {{}}")(item) is item
        Log()(3)
        Log("{item:>3}", level="error")(7)
        Log("{missing}", level="debug")(item)  # not written, so not looked for
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "Fe: 0.2, 0.5, [1], {}"), ("INFO", "3"), ("ERROR", "  7"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"text": "{I0"}, "cannot be written: expected '}' before end of string; for a brace, write two"),
        ({"text": "{I0 >}"}, "at character 5"),
        ({"level": "loud"}, 'there is no level "loud"; there are debug, info, warning, error'),
    ],
)
def test_a_log_that_cannot_be_written(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Log(**arguments)
