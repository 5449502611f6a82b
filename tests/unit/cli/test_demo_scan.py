"""The demo's own code: what it fits is what the made-up sample holds, and what is absent is left out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from penstock.cli.demo_scan import FitSpectrum, Maps
from penstock.core import Message
from penstock.protocols.pandabox import PandaboxDecoder
from penstock.protocols.stins import StinsDecoder
from penstock.protocols.xspress3 import Xspress3Decoder
from penstock.simulators.pandabox import PandaboxSimulator
from penstock.simulators.stins import StinsSimulator
from penstock.simulators.xrf_scan import LINES_keV, XrfScan
from penstock.simulators.xspress3 import Xspress3Simulator
from penstock.testing.made_up_event import make_event

SCAN = XrfScan(6, 7)


def decoded(decoder: Any, packets: list[list[bytes]]) -> Iterator[Message]:
    for parts in packets:
        yield from decoder.feed(parts, 0)


def event(point: int, **absent: None) -> Any:
    box = PandaboxSimulator(SCAN)
    packets = [*box.connected(under_way=False), *box.start(), *box.point(point), *box.end(1)]
    row = next(message for message in decoded(PandaboxDecoder(), packets) if message.array is not None)
    (spectrum,) = decoded(Xspress3Decoder(), Xspress3Simulator(SCAN).point(point))
    (image,) = decoded(StinsDecoder(), StinsSimulator(SCAN).point(point))
    parts: dict[str, Any] = {"xspress3": spectrum, "pandabox": row, "stins": image, **absent}
    return make_event(point, **parts)


def test_the_fit_finds_the_photons_of_the_sample() -> None:
    fit = FitSpectrum()
    for point in range(SCAN.points):
        found = fit.process(event(point))
        assert found is not None
        assert (found["y"], found["x"]) == pytest.approx(tuple(SCAN.position(point)), abs=1e-3)
        for element, expected in SCAN.amounts(point).items():
            assert abs(found["photons"][element] - expected) < 6 * np.sqrt(expected + 20), (point, element)
        assert found["image"].shape == (64, 64)


def test_without_spectrum_or_position_there_is_nothing_and_without_image_a_map() -> None:
    fit = FitSpectrum()
    assert fit.process(event(3, xspress3=None)) is None
    assert fit.process(event(3, pandabox=None)) is None
    found = fit.process(event(3, stins=None))
    assert found is not None
    assert found["image"] is None


def test_every_point_is_put_where_it_was_measured() -> None:
    fit, maps = FitSpectrum(), Maps(6, 7)
    images = np.zeros((64, 64), np.uint64)
    for point in reversed(range(SCAN.points)):
        found = fit.process(event(point, **({} if point else {"stins": None})))
        assert found is not None
        maps.reduce(found)
        images += 0 if found["image"] is None else found["image"]
    for element in LINES_keV:
        expected = [fit.process(event(point))["photons"][element] for point in range(SCAN.points)]  # type: ignore[index]
        assert np.allclose(maps.views["map"][element].array, np.reshape(expected, (6, 7)))
    assert np.array_equal(maps.views["camera"].array, images)
