"""The simulated DECTRIS detectors show the sample, and say what real ones say."""

from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.core import codecs
from penstock.core.encoding import Encoding
from penstock.core.timestamp import Timestamp
from penstock.protocols.dectris import DectrisDecoder
from penstock.protocols.eiger import EigerDecoder
from penstock.simulators.dectris import DectrisSimulator, THRESHOLDS_eV
from penstock.simulators.eiger import EigerSimulator, FRAME_ns
from penstock.simulators.powder import RINGS_A, SHAPE, radius, ring_radius
from penstock.simulators.xrf_scan import XrfScan
from tests.unit.simulators.decoded import decoded

SCAN = XrfScan(10, 12, seed=3)


class Bare(EigerSimulator):
    detail: ClassVar[Literal["none"]] = "none"


def test_v1_images_arrive_as_they_were_made() -> None:
    simulator = EigerSimulator(XrfScan(2, 3, seed=3))
    start, *images, end = decoded(EigerDecoder(), simulator.packets())
    for point, image in enumerate(images):
        np.testing.assert_array_equal(image.array, simulator.image(point))
        assert image.array.dtype == np.uint32
    assert {message.metadata["series"] for message in (start, *images, end)} == {3}
    assert set(np.diff([image.metadata["start_time"] for image in images])) == {FRAME_ns}
    assert [array.shape for array in start.buffers] == [SHAPE, SHAPE, (101, 2)]
    assert start.metadata["config"]["nimages"] == 6


def test_v1_may_say_less() -> None:
    start, *_ = decoded(EigerDecoder(), Bare(SCAN).packets())
    assert start.metadata == {"htype": "dheader-1.0", "series": 3, "header_detail": "none"}


def test_v2_images_arrive_as_they_were_made() -> None:
    simulator = DectrisSimulator(XrfScan(2, 3, seed=3))
    start, *images, end = decoded(DectrisDecoder(), simulator.packets())
    for point, image in enumerate(images):
        assert image.metadata["channels"] == list(THRESHOLDS_eV) == start.metadata["channels"]
        for got, wanted in zip(image.buffers, simulator.images(point).values(), strict=True):
            np.testing.assert_array_equal(got, wanted)
    assert {message.metadata["series_id"] for message in (start, *images, end)} == {3}
    noon = Timestamp.from_iso("2026-11-20T12:00:00Z").ns
    assert [image.timestamp_ns - noon for image in images] == [20_000_000 * point for point in range(6)]
    assert [array.shape for array in start.buffers] == [SHAPE] * 4 + [(100,)]


@pytest.mark.parametrize(
    ("simulated", "compression"), [(EigerSimulator, "bslz4"), (DectrisSimulator, "bslz4"), (DectrisSimulator, "lz4")]
)
def test_images_may_be_compressed(simulated: Any, compression: str) -> None:
    pytest.importorskip("imagecodecs")
    pytest.importorskip("bitshuffle")
    simulator = simulated(XrfScan(2, 3, seed=3))
    simulator.compression = compression
    _, *images, _ = decoded(simulator.decoder(), simulator.packets())
    assert len(images) == 6
    for point, message in enumerate(images):
        is_v1 = isinstance(simulator, EigerSimulator)
        made: list[NDArray[Any]] = [simulator.image(point)] if is_v1 else [*simulator.images(point).values()]
        assert message.encodings == tuple(Encoding(compression, image.dtype.str, SHAPE) for image in made)
        for buffer, encoding, image in zip(message.buffers, message.encodings, made, strict=True):
            assert buffer.nbytes < image.nbytes
            assert encoding is not None
            np.testing.assert_array_equal(codecs.decoded(buffer, encoding), image)


@pytest.mark.parametrize("element", sorted(RINGS_A))
def test_a_ring_follows_the_amount_of_its_element(element: str) -> None:
    eiger, dectris = EigerSimulator(SCAN), DectrisSimulator(SCAN)
    on_ring = np.abs(radius() - ring_radius(element)) < 1.0
    amounts = [SCAN.amounts(point)[element] for point in range(SCAN.points)]
    for counted in (
        [eiger.image(point)[on_ring].sum() for point in range(SCAN.points)],
        [dectris.images(point)["threshold_2"][on_ring].sum() for point in range(SCAN.points)],
    ):
        assert np.corrcoef(counted, amounts)[0, 1] > 0.95


def test_only_the_lower_threshold_lets_fluorescence_through() -> None:
    simulator = DectrisSimulator(SCAN)
    outside = radius() > ring_radius("Ni") + 5
    images = [simulator.images(point) for point in range(SCAN.points)]
    amounts = [sum(SCAN.amounts(point).values()) for point in range(SCAN.points)]
    lower, upper = ([image[name][outside].sum() for image in images] for name in THRESHOLDS_eV)
    assert np.corrcoef(np.subtract(lower, upper), amounts)[0, 1] > 0.95
    assert abs(np.corrcoef(upper, amounts)[0, 1]) < 0.3
