"""The manual clock: it moves when told, and never back."""

import pytest

from penstock.testing.manual_clock import ManualClock


def test_time_passes_when_told() -> None:
    clock = ManualClock(5)
    assert clock() == clock() == 5
    assert clock.advance(s=1.5, ns=1) == clock() == 1_500_000_006


def test_time_does_not_go_back() -> None:
    clock = ManualClock(5)
    with pytest.raises(ValueError, match="does not go back by 1 ns"):
        clock.advance(ns=-1)
    assert clock() == 5
