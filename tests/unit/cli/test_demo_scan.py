"""The demo's instruments: in time at any rate."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.demo_scan import Motors
from penstock.core import Kind
from penstock.elements import Reading

BEGAN_NS = 1_700_000_000_123_456_789


@given(st.floats(0.01, 1e6), st.integers(1, 40))
def test_every_point_comes_when_it_is_due_and_not_before(rate_hz: float, columns: int) -> None:
    motors = Motors(1, columns, rate_hz)
    assert motors.wait_s(BEGAN_NS) is None
    blocks = motors.read(BEGAN_NS).blocks
    now_ns = BEGAN_NS
    for point in range(1, columns):
        wait_s = motors.wait_s(now_ns)
        assert wait_s is not None
        due_ns = BEGAN_NS + round(point * 1e9 / rate_hz)
        assert abs(wait_s * 1e9 - (due_ns - now_ns)) < 1
        if due_ns - 1 > now_ns:
            assert motors.read(due_ns - 1).is_empty
        now_ns = due_ns
        assert motors.wait_s(now_ns) == 0
        blocks += motors.read(now_ns).blocks
    keys = [block.keys.tolist() for block in blocks if block.kind is Kind.DATA and block.keys is not None]
    assert keys == [[point] for point in range(columns)]


def test_a_late_reading_brings_all_that_is_due_and_no_more_than_a_handful() -> None:
    motors = Motors(1, 1000, 1e3)
    motors.read(BEGAN_NS)
    assert len(motors.read(BEGAN_NS + 10_500_000).blocks[0]) == 10
    assert len(motors.read(BEGAN_NS + 10**9).blocks[0]) == 64
    assert motors.wait_s(BEGAN_NS + 10**9) == 0


def test_flat_out_nothing_is_waited_for() -> None:
    motors = Motors(1, 100, 0)
    readings: list[Reading] = []
    while not readings or not readings[-1].ended:
        assert motors.wait_s(BEGAN_NS) is None
        readings.append(motors.read(BEGAN_NS))
    assert sum(len(block) for reading in readings for block in reading.blocks) == 102
