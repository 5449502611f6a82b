"""The scan that never happened is the same every time, and shows what is in its sample."""

import numpy as np
import pytest

from penstock.simulators.xrf_scan import BINS, BIN_keV, LINES_keV, XrfScan


def test_a_point_does_not_depend_on_what_was_asked_before() -> None:
    scan, again = XrfScan(4, 5), XrfScan(4, 5)
    forwards = [scan.spectrum(point) for point in range(scan.points)]
    backwards = [again.spectrum(point) for point in reversed(range(again.points))]
    np.testing.assert_array_equal(forwards, backwards[::-1])
    assert forwards[0].shape == (BINS,)


def test_another_seed_gives_other_counts() -> None:
    assert (XrfScan(4, 5, seed=1).spectrum(7) != XrfScan(4, 5, seed=2).spectrum(7)).any()


def test_positions_go_row_by_row_around_the_middle() -> None:
    scan = XrfScan(3, 5)
    assert [tuple(scan.position(point)) for point in (0, 1, 5, 7, 14)] == [
        (-0.5, -1.0), (-0.5, -0.5), (0.0, -1.0), (0.0, 0.0), (0.5, 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize("element", sorted(LINES_keV))
def test_counts_under_a_line_follow_the_amount(element: str) -> None:
    scan = XrfScan(20, 30)
    first, last = (round((LINES_keV[element] + side * 0.2) / BIN_keV) for side in (-1, 1))
    expected = np.array([scan.amounts(point)[element] for point in range(scan.points)])
    counted = np.array([scan.spectrum(point)[first:last].sum() for point in range(scan.points)], float)
    assert np.corrcoef(expected, counted)[0, 1] > 0.98
    assert abs(counted.sum() / expected.sum() - 1) < 0.15


@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (5, -1)])
def test_a_scan_without_points_is_refused(rows: int, columns: int) -> None:
    with pytest.raises(ValueError, match=f"{rows} × {columns} points; both must be 1 or more"):
        XrfScan(rows, columns)
