"""The physics of the supernova example: combinations that hold to their definitions, and alerts that have a life."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "examples/supernova"


@pytest.fixture
def supernova(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    yield __import__("supernova")
    sys.modules.pop("supernova")


def combined(z: list[list[float]], t0: float = 0.0) -> dict[str, Any]:
    return {"id": "a+b", "t0": t0, "dt": 1.0, "z": np.array(z)}


@pytest.mark.parametrize("way", ["Fisher", "Stouffer"])
def test_one_detector_alone_is_unchanged(supernova: Any, way: str) -> None:
    one = combined([[3.0, np.nan], [-1.0, np.nan], [0.0, np.nan]])
    assert getattr(supernova, way)()(one)["z"] == pytest.approx([3.0, -1.0, 0.0])


@pytest.mark.parametrize("way", ["Fisher", "Stouffer"])
def test_chance_stays_chance(supernova: Any, way: str) -> None:
    z = np.random.default_rng(1).normal(size=(20_000, 2))
    given = getattr(supernova, way)()(combined(z.tolist()))["z"]
    assert abs(given.mean()) < 0.03
    assert abs(given.std() - 1) < 0.03


def test_weights(supernova: Any) -> None:
    given = supernova.Stouffer({"a": 3.0, "b": 4.0})(combined([[1.0, 2.0], [np.nan, np.nan]]))["z"]
    assert given[0] == pytest.approx((3 * 1 + 4 * 2) / 5)
    assert np.isnan(given[1])


def test_series_come_together_in_any_order(supernova: Any) -> None:
    together = supernova.Combination(keep_s=5)
    a = {"id": "a", "t0": 0.0, "dt": 1.0, "z": np.array([1.0, 2.0])}
    b = {"id": "b", "t0": 1.0, "dt": 1.0, "z": np.array([7.0])}
    assert together(b)["z"].tolist() == [[7.0]]
    assert np.array_equal(together(a)["z"], [[1.0, np.nan], [2.0, 7.0]], equal_nan=True)
    together({**a, "t0": 100.0})
    assert min(together.bins) >= 96
    with pytest.raises(ValueError, match=r"b has bins of 2.0 s, the others of 1.0 s"):
        together({**b, "dt": 2.0})


def test_the_life_of_an_alert(supernova: Any) -> None:
    alerts = supernova.Alerts(threshold=5.0, gap_s=2.0, keep_s=50.0)

    def told(z: list[float], t0: float) -> list[tuple[str, int, float, float]]:
        series = {"id": "a+b", "t0": t0, "dt": 1.0, "z": np.array(z), "by": "Fisher"}
        return [(a["what"], a["alert"], a["from_s"], a["to_s"]) for a in alerts(iter([series]))]

    assert told([0, 6, 1], 10) == [("NEW", 1, 11.0, 12.0)]
    assert told([0, 0, 0], 13) == []
    assert told([7], 12) == [("UPDATE", 1, 11.0, 13.0)]
    assert told([9], 20) == [("NEW", 2, 20.0, 21.0)]
    assert told([0, 0], 11) == [("DELETE", 1, 11.0, 13.0)]
    assert told([9], 21) == [("UPDATE", 2, 20.0, 22.0)]
    assert told([0], 200) == []
    assert alerts.open == {}
