"""The points of the simulated Contrast are those of the scan."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Kind
from penstock.protocols.contrast import ContrastDecoder
from penstock.simulators.contrast import ContrastSimulator, SETTLED_um
from penstock.simulators.xrf_scan import XrfScan
from tests.unit.simulators.decoded import decoded


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**40))
def test_points_are_where_the_scan_was(rows: int, columns: int, seed: int) -> None:
    scan = XrfScan(rows, columns, seed)
    start, *points, end = decoded(ContrastDecoder(), ContrastSimulator(scan).packets())
    assert (start.kind, end.kind) == (Kind.START, Kind.END)
    assert start.metadata["snapshot"] == {"sx": scan.x[0], "sy": scan.y[0]}
    assert end.metadata["snapshot"] == {"sx": scan.x[-1], "sy": scan.y[-1]}
    for number, point in enumerate(points):
        said, where = point.metadata, scan.position(number)
        assert [said["sy"], said["sx"]] == where.tolist()
        seen = np.concatenate([said["pseudo"]["y"], said["pseudo"]["x"]])
        assert np.abs(seen - where).max() < 8 * SETTLED_um
        assert said["I0"].shape == (1,)
        assert said["I0"][0] > 0
