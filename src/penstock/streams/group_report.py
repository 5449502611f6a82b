"""What a group says of itself to somebody who is no member of it, wherever it is kept."""

import time
from collections.abc import Callable

from penstock.core.group_record import GroupReport
from penstock.core.id_set import IdSet
from penstock.streams.kept_group import KeptGroup

__all__ = ["report_of"]


def report_of(
    group: KeptGroup, present: Callable[[], IdSet], clock_ns: Callable[[], int] = time.monotonic_ns
) -> GroupReport | None:
    """Read a group and change nothing in it; ``None`` if there is no such group.

    Parameters
    ----------
    present
        Returns which ids there are now. It is called while the group is held.
    clock_ns
        The one that its members share.
    """
    with group.look() as state:
        if state is None:
            return None
        there = present()
        return GroupReport(
            snapshot=state.snapshot(there),
            rules=state.record.rules,
            dead=list(state.record.dead),
            unacknowledged=state.unacknowledged(there),
            read_ns=clock_ns(),
        )
