"""Time: integer nanoseconds UTC, written and read without loss."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.timestamp import NS_PER_S, Timestamp

YEAR_1_NS = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_S
YEAR_9999_NS = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * NS_PER_S
NOVEMBER_NS = int(datetime(2026, 11, 20, 16, 51, 4, tzinfo=UTC).timestamp()) * NS_PER_S + 953_742_000


@given(st.integers(YEAR_1_NS, YEAR_9999_NS))
def test_iso_and_back(ns: int) -> None:
    assert Timestamp.from_iso(Timestamp(ns).isoformat()) == Timestamp(ns)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00", 0),
        ("1970-01-01 00:00:00.5", NS_PER_S // 2),
        ("1970-01-01T01:00:00.000000001+01:00", 1),
        ("1970-01-01T00:00:00.1234567899Z", 123_456_789),
        ("1969-12-31T23:59:59.999999999Z", -1),
        (" 1970-01-02T00:00:00Z ", 86_400 * NS_PER_S),
        ("2026-11-20T14:21:04.953742-0230", NOVEMBER_NS),
    ],
)
def test_what_instruments_write(text: str, ns: int) -> None:
    assert Timestamp.from_iso(text).ns == ns


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-20T12:00:00.", "2026-11-20T12:00:00.x", "2026-13-01T00:00:00Z", "1.5"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Timestamp.from_iso(text)


def test_early_years_have_four_digits() -> None:
    assert Timestamp(YEAR_1_NS).isoformat() == "0001-01-01T00:00:00.000000000Z"


def test_the_distance_is_in_seconds_and_order_is_that_of_time() -> None:
    early, late = Timestamp(1_000_000_000), Timestamp(1_500_000_000)
    assert late - early == 0.5
    assert early < late
    with pytest.raises(TypeError):
        _ = early < 1_500_000_000  # type: ignore[operator]  # a time is not a number
