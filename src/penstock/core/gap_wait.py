"""How long a missing id holds back those behind it, in a group that reads in the order of ids.

Everything that is missing when a member meets a gap is waited for together, so that a stream with a million old gaps
costs one wait. Times are kept to a sixteenth of the wait, always too long, so that few of them are kept.
"""

from penstock.core.group_record import GroupRecord, Look

__all__ = ["look_at", "next_wait_ns", "stop_waiting"]

PARTS = 16


def look_at(record: GroupRecord, last_id: int, now_ns: int) -> None:
    """Take note that what is missing below the largest id was missing at a time."""
    looks = record.looks
    if looks and looks[-1].last_id >= last_id:
        return
    if looks and now_ns - looks[-1].begun_ns < record.rules.gap_wait_ns // PARTS:
        looks[-1].at_ns, looks[-1].last_id = now_ns, last_id
    else:
        looks.append(Look(now_ns, now_ns, last_id))


def stop_waiting(record: GroupRecord, now_ns: int) -> None:
    """Wait no more for what was missing long enough."""
    wait_ns = record.rules.gap_wait_ns
    for look in [look for look in record.looks if look.at_ns + wait_ns <= now_ns]:
        record.waited_for = max(record.waited_for, look.last_id)
        record.looks.remove(look)


def next_wait_ns(record: GroupRecord) -> list[int]:
    """Return when the next wait ends, if anything is waited for."""
    return [look.at_ns + record.rules.gap_wait_ns for look in record.looks[:1]]
