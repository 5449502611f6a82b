"""The position box gives the scan's positions exactly, and times that a 125 MHz clock can give."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Kind
from penstock.core.timestamp import Timestamp
from penstock.protocols.pandabox import PandaboxDecoder
from penstock.simulators.pandabox import PandaboxSimulator, PERIOD_s
from penstock.simulators.xrf_scan import XrfScan
from tests.unit.simulators.decoded import decoded

Y, X, TIME = "INENC1.VAL.Mean", "INENC2.VAL.Mean", "PCAP.TS_TRIG.Value"


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 2**40))
def test_rows_are_the_positions_and_times_of_the_scan(rows: int, columns: int, seed: int) -> None:
    simulator = PandaboxSimulator(XrfScan(rows, columns, seed))
    start, *got, end = decoded(PandaboxDecoder(), simulator.packets())
    table = np.array([message.array for message in got])
    wanted = np.array([simulator.scan.position(point) for point in range(len(got))])
    np.testing.assert_array_equal(np.stack([table[Y], table[X]], axis=1), wanted)
    assert [field["units"] for field in start.metadata["fields"]] == ["um", "um", "s"]
    assert end.metadata == {"samples": len(got), "reason": "Ok", "received": len(got)}
    late = table[TIME] - np.arange(len(got)) * PERIOD_s
    assert (late > -1e-9).all()
    assert (late < 2e-6 + 1e-9).all()
    np.testing.assert_allclose(table[TIME] / 8e-9, np.rint(table[TIME] / 8e-9), atol=0.01)


def test_a_message_has_the_time_of_its_trigger() -> None:
    simulator = PandaboxSimulator(XrfScan(4, 5))
    start, *rows, _ = decoded(PandaboxDecoder(), simulator.packets())
    armed = Timestamp.from_iso("2026-11-20T12:00:00Z").ns
    assert start.timestamp_ns == armed
    assert rows[7].timestamp_ns == armed + round(simulator.trigger_s(7) * 1e9)


def test_whoever_comes_in_the_middle_is_told_the_header_again() -> None:
    simulator = PandaboxSimulator(XrfScan(2, 3))
    rows = [simulator.point(point) for point in range(4, 6)]
    messages = decoded(PandaboxDecoder(), [simulator.connected(under_way=True), *rows, simulator.end(6)])
    assert [m.kind for m in messages] == [Kind.START, Kind.DATA, Kind.DATA, Kind.END]
    assert (messages[-1].metadata["samples"], messages[-1].metadata["received"]) == (6, 2)


def test_an_arm_that_is_stopped_says_so() -> None:
    simulator = PandaboxSimulator(XrfScan(2, 3))
    sent = [simulator.connected(under_way=False), simulator.start(), simulator.point(0), simulator.end(1)]
    assert decoded(PandaboxDecoder(), sent)[-1].metadata == {"samples": 1, "reason": "Disarmed", "received": 1}
