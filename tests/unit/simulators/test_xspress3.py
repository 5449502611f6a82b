"""The fluorescence detector gives the scan's spectra, and counters that fit them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.protocols.xspress3 import COUNTERS, Xspress3Decoder
from penstock.simulators.xrf_scan import BIN_keV, LINES_keV, XrfScan
from penstock.simulators.xspress3 import CHANNELS, WINDOW_keV, Xspress3Simulator
from tests.unit.simulators.decoded import decoded


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**40))
def test_the_channels_add_up_to_the_scan(rows: int, columns: int, seed: int) -> None:
    scan = XrfScan(rows, columns, seed)
    frames = decoded(Xspress3Decoder(), Xspress3Simulator(scan).packets())[1:-1]
    for point, frame in enumerate(frames):
        assert (frame.array.shape, frame.array.dtype) == ((CHANNELS, 1024), np.uint32)
        np.testing.assert_array_equal(frame.array.sum(axis=0), scan.spectrum(point))


def test_every_channel_has_its_share() -> None:
    scan = XrfScan(6, 6)
    simulator = Xspress3Simulator(scan)
    shares = np.sum([simulator.counts(point).sum(axis=1) for point in range(scan.points)], axis=0)
    assert (np.abs(shares / shares.sum() * CHANNELS - 1) < 0.1).all()


@given(st.integers(0, 2**40), st.integers(0, 8))
def test_the_counters_fit_the_counts(seed: int, point: int) -> None:
    simulator = Xspress3Simulator(XrfScan(3, 3, seed))
    counts = simulator.counts(point)
    (frame,) = decoded(Xspress3Decoder(), [simulator.point(point)])
    got = frame.metadata
    assert set(COUNTERS) <= set(got)
    good, events, total, resets = (got[n].astype(float) for n in ("AllGood", "AllEvents", "TotalTicks", "ResetTicks"))
    np.testing.assert_array_equal(good, counts.sum(axis=1))
    assert (events >= good).all()
    np.testing.assert_allclose(got["ocr"] * got["exptime"], good)
    np.testing.assert_allclose(got["dtc"], total / (total - resets - events * got["event_widths"]))
    assert (got["dtc"] >= 1).all()
    for line_keV, window in zip(LINES_keV.values(), got["window_counts"], strict=True):
        first, last = (round((line_keV + side * WINDOW_keV) / BIN_keV) for side in (-1, 1))
        np.testing.assert_array_equal(window, counts[:, first:last].sum(axis=1))
