"""Simulated process variables: their packets depend on the seed alone, say what the scan has, show what is spoilt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.simulators import SERVED, XrfScan, simulator_named
from penstock.simulators.pv import PvSimulator
from penstock.simulators.pva import PvaSimulator
from penstock.simulators.served import Served
from penstock.simulators.stins import StinsSimulator


@pytest.mark.parametrize("name", sorted(SERVED))
@given(seed=st.integers(0, 2**40), point=st.integers(0, 5))
def test_a_point_depends_on_seed_and_number_alone(name: str, seed: int, point: int) -> None:
    packets = simulator_named(name)(XrfScan(2, 3, seed)).point(point)
    assert list(simulator_named(name)(XrfScan(2, 3, seed)).packets())[2 + point] == packets
    assert simulator_named(name)(XrfScan(2, 3, seed + 1)).point(point) != packets


def test_images_are_those_of_the_camera() -> None:
    scan = XrfScan(2, 3, 4)
    said, image = Served.read(PvaSimulator(scan).point(5)[0])
    np.testing.assert_array_equal(image, StinsSimulator(scan).image(5))
    assert (said.pv, said.number, said.unit) == ("SIM:image", 5, "counts")
    _, empty = Served.read(PvaSimulator.idle[0])
    assert empty is not None
    assert empty.size == 0


def test_values_are_those_of_the_scan() -> None:
    scan = XrfScan(2, 3, 4)
    simulator = PvSimulator(scan)
    said = {found.pv: (found, array) for found, array in map(Served.read, simulator.point(5))}
    assert [said["SIM:y"][0].value, said["SIM:x"][0].value] == scan.position(5).tolist()
    np.testing.assert_array_equal(said["SIM:spectrum"][1], scan.spectrum(5))
    shutter = [Served.read(packets[0])[0] for packets in (simulator.start(), simulator.end(6))]
    assert [each.choices[each.value] for each in shutter] == ["open", "closed"]
    assert {Served.read(parts)[0].pv for parts in simulator.idle} == {*said, "SIM:shutter"}


def test_no_bit_that_may_be_flipped_goes_unnoticed() -> None:
    text, pixels = PvaSimulator(XrfScan(2, 2)).point(1)[0]
    for place in range(PvaSimulator.spoilable or 0):
        spoilt = bytearray(text)
        spoilt[place] ^= 0x80
        with pytest.raises(RemoteProtocolError, match="spoilt"):
            Served.read([bytes(spoilt), pixels])
