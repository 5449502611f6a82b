"""Which messages of a stream a group has not handed out yet, and which of them come next."""

from collections.abc import Sequence

from penstock.core.gap_wait import look_at, stop_waiting
from penstock.core.group_record import GroupRecord
from penstock.core.id_ranges import Range, count, cut, put, ranges_within, split
from penstock.core.id_set import LARGEST_ID, IdSet

__all__ = ["Unclaimed"]

FAR = 4096
"""How many messages behind a group is far behind."""


class Unclaimed:
    """What is there and was not taken.

    Parameters
    ----------
    record
        Of the group; its position, and what it waits for, are kept there.
    taken
        Ids that were handed out, acknowledged or passed over by a seek; kept and changed.
    """

    def __init__(self, record: GroupRecord, taken: IdSet) -> None:
        self.taken = taken
        self.news: list[Range] = []
        """What was put into ``taken`` since the owner last emptied this."""
        self.sought = False
        """Whether ``taken`` also lost something, so that ``news`` does not tell all; the owner's to reset."""
        self._record = record

    def among(self, present: IdSet) -> IdSet:
        """Return all of it."""
        return IdSet() if self.taken == present else present.difference(self.taken)

    def take(self, present: IdSet, size: int, now_ns: int) -> tuple[list[Range], list[Range]]:
        """Take the next ids, ascending, what came late first; return also which missing ids were passed over."""
        late = self._late(present, size)
        if late:
            return late, []
        return self._next(present, size, now_ns)

    def note(self, ids: Sequence[Range]) -> None:
        """Take some ids, which need not be there."""
        self._add(ids)
        if ids:
            self._record.complete_at = -1

    def without_taken(self, ids: Sequence[Range]) -> tuple[list[Range], list[Range]]:
        """Return which of some ids, at least one, were not taken, and which were."""
        if (self.taken.last or 0) < ids[0][0]:
            return list(ids), []
        return split(ids, list(ranges_within(self.taken, ids[0][0], ids[-1][1])))

    def seek(self, message_id: int) -> None:
        """Go on behind an id: all up to it is taken, nothing else is."""
        record = self._record
        self.taken.discard_range(message_id, LARGEST_ID)
        if message_id:
            self.taken.add_range(1, message_id)
        record.position = message_id
        record.looks, record.waited_for = [], min(record.waited_for, message_id)
        record.complete_at = -1
        self.news, self.sought = [], True

    def _late(self, present: IdSet, size: int) -> list[Range]:
        """Take ids that were missing when those behind them were taken."""
        record, taken = self._record, self.taken
        if not self._may_have_late(present):
            return []
        unclaimed = present.difference(taken)
        found = list(ranges_within(unclaimed, 1, record.position))
        if not found:
            record.complete_at, record.strays = present.count, taken.count - (present.count - unclaimed.count)
        ids = cut(found, size)[0]
        self._add(ids)
        return ids

    def _may_have_late(self, present: IdSet) -> bool:
        """Tell whether to look for late ids, which costs as much as there are gaps; told by counting, wherever it can.

        Far behind, it is not done for every message that comes.
        """
        record, taken = self._record, self.taken
        if taken.first_absent(1) > record.position or record.complete_at == present.count:
            return False
        if record.complete_at < 0:
            return True
        behind = len(present.ids(record.position + 1, FAR)) if record.position < LARGEST_ID else 0
        if behind == FAR:
            return abs(present.count - record.complete_at) >= FAR
        if (taken.last or 0) > record.position or present.count - behind != taken.count - record.strays:
            return True
        record.complete_at = present.count
        return False

    def _next(self, present: IdSet, size: int, now_ns: int) -> tuple[list[Range], list[Range]]:
        """Take ids behind the position; return also what is missing before the last of them."""
        record = self._record
        waits = record.rules.order == "id"
        first = present.first_present(record.position + 1)
        if first is None:
            return [], []
        if first > self.taken.last and (not waits or first == record.position + 1):
            last = min(present.first_absent(first), first + size) - 1
            if last - first + 1 == size > 0:  # enough in one run that nobody was given a part of, as most often
                record.position = last
                self._add([(first, last)])
                return [(first, last)], []
        ids: list[Range] = []
        gaps: list[Range] = []
        for first, last in ranges_within(present, record.position + 1):
            at = record.position + 1
            gap = self.without_taken([(at, first - 1)])[0] if waits and first > at else []
            if gap and not self._is_waited_for(gap[-1][1], present, now_ns):
                break
            new = cut(self.without_taken([(first, last)])[0], size)[0]
            gaps += gap
            ids += new
            size -= count(new)
            record.position = new[-1][1] if new and not size else last
            if not size:
                break
        self._add(ids)
        return ids, gaps

    def _add(self, ids: Sequence[Range]) -> None:
        put(self.taken, ids)
        self.news += ids

    def _is_waited_for(self, last_missing: int, present: IdSet, now_ns: int) -> bool:
        """Tell whether the wait for a gap is over; begin one if there is none."""
        stop_waiting(self._record, now_ns)
        if last_missing > self._record.waited_for:
            look_at(self._record, present.last or 0, now_ns)
            stop_waiting(self._record, now_ns)
        return last_missing <= self._record.waited_for
