"""The documents of the simulated RunEngine are those of the scan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Kind
from penstock.protocols.bluesky import BlueskyDecoder
from penstock.simulators.bluesky import BlueskySimulator
from penstock.simulators.xrf_scan import XrfScan
from tests.unit.simulators.decoded import decoded


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**40))
def test_events_arrive_as_they_were_made(rows: int, columns: int, seed: int) -> None:
    scan = XrfScan(rows, columns, seed)
    start, *points, stop = decoded(BlueskyDecoder(), BlueskySimulator(scan).packets())
    assert (start.kind, start.metadata["num_points"]) == (Kind.START, scan.points)
    assert (stop.kind, stop.metadata["num_events"]) == (Kind.END, {"primary": scan.points})
    assert [point.key for point in points] == list(range(1, scan.points + 1))
    for number, point in enumerate(points):
        data = point.metadata["data"]
        assert [data["y"], data["x"]] == pytest.approx(scan.position(number).tolist())
        assert data["fluorescence"] == scan.spectrum(number).sum()
        assert data["I0"] > 0
        assert point.metadata["descriptor"]["data_keys"]["x"]["units"] == "um"
