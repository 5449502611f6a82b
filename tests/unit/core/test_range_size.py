"""How many rows a lease has: as many as take the time that a lease should, few ones spread over who is idle."""

import pytest

from penstock.core.range_size import RangeSize

TARGET_NS = 10_000_000


def settled(per_row_ns: int, max_rows: int = 4096) -> RangeSize:
    """Return a size that has seen many leases of rows that take so long."""
    size = RangeSize(TARGET_NS, max_rows)
    for _ in range(10):
        size.report(size.rows, size.rows * per_row_ns)
    return size


@pytest.mark.parametrize(("per_row_ns", "rows"), [(100, 4096), (10_000, 1000), (TARGET_NS, 1), (10 * TARGET_NS, 1)])
def test_a_lease_takes_as_long_as_it_should(per_row_ns: int, rows: int) -> None:
    assert settled(per_row_ns).rows == rows


def test_few_rows_are_spread_over_who_is_idle() -> None:
    size = settled(100_000)
    assert [size.fair(60, idle) for idle in (1, 2, 3)] == [60, 30, 20]
    assert size.fair(1000, 3) == 100


def test_what_takes_less_than_giving_it_is_not_split() -> None:
    size = settled(100)
    assert size.fair(4096, 2) == 4096
    assert size.fair(10_000, 2) == 4096
    assert size.fair(100, 2) == 4096  # of which there are only 100 to take


def test_large_frames_are_given_one_by_one() -> None:
    assert settled(TARGET_NS // 8).fair(2, 2) == 1
