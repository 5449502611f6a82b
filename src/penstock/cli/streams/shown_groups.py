"""How groups are shown, to people and to machines."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from rich.table import Table
from rich.text import Text

from penstock.cli.streams.shown import one_line, print_whole, shown_ranges
from penstock.core.group_record import DeadLetter, GroupReport, MemberSnapshot
from penstock.core.id_ranges import count
from penstock.core.stream_address import StreamAddress

__all__ = ["group_details", "group_tree", "print_group", "print_groups", "shown_ago"]

MOST_ROWS: Final = 20
"""Of members and of dead letters."""
MOST_REASON: Final = 160
"""Characters of a reason, in a line."""
S: Final = 1_000_000_000


def group_tree(name: str, report: GroupReport) -> dict[str, Any]:
    """Return how a group is doing, as JSON has it."""
    facts = msgspec.structs.asdict(report.snapshot)
    members = [
        {"name": member.name, "in_flight": member.in_flight, "seen_s": (report.read_ns - member.seen_ns) / S}
        for member in report.snapshot.members
    ]
    return {"name": name, "lag": report.snapshot.lag, **facts, "members": members}


def group_details(name: str, report: GroupReport) -> dict[str, Any]:
    """Return all that is known of a group, as JSON has it."""
    rules = report.rules
    return {
        **group_tree(name, report),
        "rules": {"attempts": rules.attempts, "order": rules.order, "gap_wait_s": rules.gap_wait_ns / S},
        "dead_letters": [msgspec.structs.asdict(letter) for letter in report.dead],
        "unacknowledged": report.unacknowledged,
    }


def print_groups(found: Sequence[tuple[str, GroupReport]]) -> None:
    """Print groups, one a line."""
    table = _table("group", "position", "lag", "in flight", "waiting", "dead", "members", "last ack.", "redelivered")
    for name, report in found:
        is_at = report.snapshot
        numbers = (is_at.position, is_at.lag, is_at.in_flight, is_at.waiting, is_at.dead, len(is_at.members))
        more = (is_at.last_acknowledged, is_at.redelivered)
        table.add_row(Text(one_line(name)), *(f"{number:,}" for number in numbers + more))
    print_whole(table)


def print_group(address: StreamAddress, name: str, report: GroupReport) -> None:
    """Print all that is known of a group; of what may be much, the first and how many more there are."""
    is_at, rules = report.snapshot, report.rules
    attempts = f"{rules.attempts:,} at most" if rules.attempts else "without limit"
    waits = f", {rules.gap_wait_ns / S:g} s for a gap" if rules.order == "id" else ""
    lag = f"{is_at.unclaimed:,} unclaimed, {is_at.in_flight:,} in flight, {is_at.waiting:,} waiting"
    facts = {
        "position": f"{is_at.position:,}",
        "lag": f"{is_at.lag:,}: {lag}",
        "dead": f"{is_at.dead:,}",
        "settled": f"{is_at.settled:,}",
        "acknowledged": f"{is_at.acknowledged:,}, the last {is_at.last_acknowledged:,}",
        "handed out": f"{is_at.handed_out:,}, {is_at.redelivered:,} again after an attempt that failed",
        "rules": f"attempts {attempts}; order by {rules.order}{waits}",
        "not done": shown_ranges(report.unacknowledged),
    }
    print(f"{address}, {one_line(name)}")
    for fact, value in facts.items():
        print(f"  {fact:12}  {value}")
    if is_at.members:
        _print_members(is_at.members, report.read_ns)
    if report.dead:
        _print_dead(report.dead)


def shown_ago(ns: int) -> str:
    """Return how long ago something was.

    >>> shown_ago(1_540_000_000), shown_ago(600 * 10**9), shown_ago(10**13)
    ('1.5 s ago', '10 min ago', '2.8 h ago')
    """
    s = max(ns, 0) / S
    for unit, length in (("s", 1), ("min", 60)):
        if s / length < 120:
            return f"{round(s / length, 1):g} {unit} ago"
    return f"{round(s / 3600, 1):,g} h ago"


def _print_members(members: Sequence[MemberSnapshot], read_ns: int) -> None:
    table = _table("member", "in flight", "seen")
    for member in members[:MOST_ROWS]:
        table.add_row(Text(one_line(member.name)), f"{member.in_flight:,}", shown_ago(read_ns - member.seen_ns))
    print()
    print_whole(table)
    if len(members) > MOST_ROWS:
        print(f"and {len(members) - MOST_ROWS:,} more")


def _print_dead(dead: Sequence[DeadLetter]) -> None:
    table = _table("dead", "attempts", "reason")
    table.columns[-1].justify = "left"
    for letter in dead[:MOST_ROWS]:
        table.add_row(shown_ranges(letter.ids, 5), f"{letter.attempts:,}", Text(one_line(letter.reason, MOST_REASON)))
    print()
    print_whole(table)
    rest = sum(count(letter.ids) for letter in dead[MOST_ROWS:])
    if rest:
        print(f"and {rest:,} more")


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
