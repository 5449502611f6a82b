"""The analyses of the telescope's example, by hand: what its camera does is what they find."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "examples/telescope"
MODULES = ("camera", "quality", "summary")


@pytest.fixture
def telescope(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.syspath_prepend(FOLDER)
    yield {name: __import__(name) for name in MODULES}
    for name in MODULES:
        sys.modules.pop(name)


def test_the_camera_is_found_as_it_was_made(telescope: dict[str, Any]) -> None:
    packets = list(telescope["camera"].packets(n=1000, fast_from=500, dead_from=700, speed=1e9))
    pixels, rate = telescope["quality"].Pixels(), telescope["quality"].Rate(showers=200)
    found = [pixels(packet) for packet in packets]
    assert [one["packet"] for one in found if one["dead"]] == list(range(700, 1000))
    assert {tuple(one["dead"]) for one in found} == {(), (17,)}
    assert all(295 < one["pedestal"] < 305 and 3 < one["noise"] < 7 for one in found)
    lights = {kind: [one["light"] for one in found if one["kind"] == kind] for kind in ("pedestal", "shower", "alert")}
    assert max(lights["pedestal"]) == 0 < min(lights["shower"]) < max(lights["shower"]) < min(lights["alert"])
    windows = [window for window in map(rate, packets) if window]
    assert [window["showers"] for window in windows] == [200] * 4
    assert windows[0]["rate_Hz"] < 1000 < 1500 < windows[-1]["rate_Hz"]
    assert windows[-1]["mean"].argmin() == 17


def test_an_alert_is_in_the_summary_at_once(telescope: dict[str, Any]) -> None:
    summary = telescope["summary"].Summary(every=2)
    result = {"of": "packet", "packet": 0, "noise": 5.0, "light": 0.0, "dead": [3]}
    assert summary({**result, "kind": "shower"}) is None
    assert summary({"of": "window", "rate_Hz": 480.0})["because"] == "2 results"
    found = summary({**result, "kind": "alert", "packet": 7, "dead": []})
    assert found == {
        "because": "alert of packet 7", "packets": 2, "shower": 1, "pedestal": 0, "alert": 1,
        "noise": 5.0, "windows": 1, "rate_Hz": 480.0, "fastest_Hz": 480.0, "dead": [3],
    }  # fmt: skip
