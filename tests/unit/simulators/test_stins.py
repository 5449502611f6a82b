"""The camera shows the sample: a ring is as bright as there is of its element, the beam as faint as there is of all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.protocols.stins import StinsDecoder
from penstock.simulators.stins import RINGS_A, SHAPE, StinsSimulator, radius, ring_radius
from penstock.simulators.xrf_scan import XrfScan
from tests.unit.simulators.decoded import decoded


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**40))
def test_images_arrive_as_they_were_made(rows: int, columns: int, seed: int) -> None:
    simulator = StinsSimulator(XrfScan(rows, columns, seed))
    _, *images, end = decoded(StinsDecoder(), simulator.packets())
    for point, image in enumerate(images):
        assert (image.array.shape, image.array.dtype) == (SHAPE, np.uint16)
        np.testing.assert_array_equal(image.array, simulator.image(point))
    numbers = [image.metadata["msg_number"] for image in images]
    assert [*numbers, end.metadata["msg_number"]] == list(range(1, len(images) + 2))


@pytest.fixture(scope="module")
def simulator() -> StinsSimulator:
    return StinsSimulator(XrfScan(20, 30))


@pytest.fixture(scope="module")
def images(simulator: StinsSimulator) -> "np.typing.NDArray[np.uint16]":
    return np.array([simulator.image(point) for point in range(simulator.scan.points)])


@pytest.mark.parametrize("element", sorted(RINGS_A))
def test_a_ring_follows_the_amount_of_its_element(
    simulator: StinsSimulator, images: "np.typing.NDArray[np.uint16]", element: str
) -> None:
    on_ring = np.abs(radius() - ring_radius(element)) < 1.0
    counted = images[:, on_ring].sum(axis=1).astype(float)
    amounts = [simulator.scan.amounts(point)[element] for point in range(simulator.scan.points)]
    assert np.corrcoef(counted, amounts)[0, 1] > 0.95


def test_the_rings_lie_inside_the_image_and_apart() -> None:
    iron, nickel = (ring_radius(element) for element in ("Fe", "Ni"))
    assert iron + 2 < nickel < min(SHAPE) / 2 - 2


def test_the_beam_is_fainter_where_there_is_more(
    simulator: StinsSimulator, images: "np.typing.NDArray[np.uint16]"
) -> None:
    beam = images[:, radius() < 4].sum(axis=1).astype(float)
    amounts = [sum(simulator.scan.amounts(point).values()) for point in range(simulator.scan.points)]
    assert np.corrcoef(beam, amounts)[0, 1] < -0.95
    assert images.max() < np.iinfo(np.uint16).max / 4
