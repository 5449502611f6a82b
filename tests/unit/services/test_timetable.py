"""Timetables: by time, and by the share of each recording that has been played."""

from penstock.formats.recording import Record
from penstock.services.timetable import by_share, by_time


def records(count: int, *times_ns: int) -> list[Record]:
    return [Record((bytes([n]),), times_ns[n] if times_ns else None) for n in range(count)]


def test_by_time_merges_and_starts_at_zero() -> None:
    a, b = records(3, 5_000_000_000, 7_000_000_000, 9_000_000_000), records(2, 6_000_000_000, 6_500_000_000)
    entries = list(by_time([a, b]))
    assert [track for _, track, _ in entries] == [0, 1, 1, 0, 0]
    assert [due for due, _, _ in entries] == [0, 1, 1.5, 2, 4]


def test_by_time_never_turns_a_recording_around() -> None:
    entries = list(by_time([records(3, 50, 10, 60), records(1, 55)]))
    assert [record.parts[0][0] for _, track, record in entries if track == 0] == [0, 1, 2]


def test_by_share_keeps_step() -> None:
    entries = list(by_share([records(3), records(9)], [3, 9], rate_hz=9.0))
    seen = [0, 0]
    for due, track, _ in entries:
        seen[track] += 1
        assert abs(seen[0] - seen[1] / 3) <= 1
        assert 0 <= due < 1
    assert seen == [3, 9]


def test_a_rate_spaces_a_single_recording() -> None:
    assert [due for due, _, _ in by_share([records(3)], [0], rate_hz=2.0)] == [0, 0.5, 1]
    assert [due for due, _, _ in by_share([records(3)], [0], rate_hz=None)] == [0, 0, 0]
