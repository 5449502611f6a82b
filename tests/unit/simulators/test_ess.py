"""The pulses of the simulated neutron instrument are whole, and a spoilt one is not read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("flatbuffers", reason='needs pip install "penstock[ess]"')

from penstock.core import Kind
from penstock.errors import RemoteProtocolError
from penstock.protocols.ess import EssDecoder
from penstock.simulators.ess import EssSimulator, FLIGHT_ns, PULSE_ns
from penstock.simulators.powder import SHAPE, radius, ring_radius
from penstock.simulators.xrf_scan import XrfScan
from tests.unit.simulators.decoded import decoded


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**40))
def test_pulses_lie_within_their_run(rows: int, columns: int, seed: int) -> None:
    scan = XrfScan(rows, columns, seed)
    start, *pulses, stop = decoded(EssDecoder(), EssSimulator(scan).packets())
    assert (start.kind, stop.kind) == (Kind.START, Kind.END)
    assert start.metadata["job_id"] == stop.metadata["job_id"] == f"sim-{seed}"
    times = [pulse.timestamp_ns for pulse in pulses]
    assert set(np.diff(times).tolist()) <= {PULSE_ns}
    assert start.timestamp_ns <= times[0] <= times[-1] < stop.timestamp_ns
    for pulse in pulses:
        flights, (pixels, _, begins) = pulse.array, pulse.more
        assert len(flights) == len(pixels) > 300
        assert FLIGHT_ns[0] <= flights.min() <= flights.max() < FLIGHT_ns[1]
        assert 1 <= pixels.min() <= pixels.max() <= SHAPE[0] * SHAPE[1]
        assert begins.tolist() == [0]


def test_rings_are_where_they_should_be() -> None:
    simulator = EssSimulator(XrfScan(3, 3))
    pulses = decoded(EssDecoder(), simulator.packets())[1:-1]
    image = np.bincount(np.concatenate([pulse.more[0] for pulse in pulses]), minlength=SHAPE[0] * SHAPE[1] + 1)
    distance = radius().ravel()
    on_ring, beside = (image[1:][abs(distance - at) < 1].mean() for at in (ring_radius("Fe"), 34))
    assert on_ring > 3 * beside


@given(st.integers(0, 2**40), st.integers(0, 3))
def test_a_spoilt_pulse_is_not_read(seed: int, place: int) -> None:
    ((record,),) = EssSimulator(XrfScan(2, 2, seed)).point(1)
    spoilt = bytearray(record)
    spoilt[place] ^= 0x80
    with pytest.raises(RemoteProtocolError):
        list(EssDecoder().feed([bytes(spoilt)], 0))
