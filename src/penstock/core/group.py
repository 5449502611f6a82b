"""A group: who has which messages of a stream, who is done with which, and what must be handed out again.

No clock, no file, no message: which ids there are comes in as a set, the time as nanoseconds of a clock that never goes
back. Every id that is there is in exactly one of: unclaimed, leased, waiting, dead, settled. Nobody is given what
another has. An id that comes late is handed out late, never passed over in silence.
"""

from collections.abc import Sequence

import msgspec

from penstock.core.gap_wait import next_wait_ns, stop_waiting
from penstock.core.group_record import (
    Claim,
    DeadLetter,
    GroupLease,
    GroupMember,
    GroupRecord,
    GroupRules,
    GroupSnapshot,
    MemberSnapshot,
    Waiting,
)
from penstock.core.id_ranges import Range, count, cut, joined, ranges_within, split
from penstock.core.id_set import LARGEST_ID, IdSet
from penstock.core.unclaimed import Unclaimed
from penstock.errors import ConflictError, StreamError

__all__ = ["GroupState"]

GONE = "it is no longer in the stream"


class GroupState:
    """A group of readers of one stream.

    Parameters
    ----------
    record
        What was known of it; none for a new group.
    taken
        Ids that were handed out, acknowledged or passed over by a seek; kept and changed.
    """

    def __init__(self, record: GroupRecord | None = None, taken: IdSet | None = None) -> None:
        self.record = record or GroupRecord()
        self.unclaimed = Unclaimed(self.record, IdSet() if taken is None else taken)
        self.is_freed = False
        """Whether something has come back, or has become unclaimed again, that was not; the owner's to reset."""

    @property
    def is_done(self) -> bool:
        """Whether nobody has anything, and nothing waits to be handed out again."""
        return not self.record.leases and not self.record.waiting

    def join(self, member: str, rules: GroupRules, now_ns: int, *, lease_ns: int) -> None:
        """Take in a member; what somebody of this name has comes back, as if its time was up.

        Raises
        ------
        ConflictError
            If members that are alive agreed on other rules.
        """
        record = self.record
        others = {name: other for name, other in record.members.items() if name != member}
        alive = [name for name, other in others.items() if other.seen_ns + other.lease_ns > now_ns]
        if alive and rules != record.rules:
            raise ConflictError(
                f"{', '.join(alive[:5])} read in this group with {_written(record.rules)}, and {member} asks for "
                f"{_written(rules)}; all members must ask for the same"
            )
        record.rules = rules
        self._take_back(self._held_by(member), now_ns, "another {member} came in its place")
        self._see(member, now_ns, lease_ns)

    def claim(self, member: str, present: IdSet, now_ns: int, *, size: int, lease_ns: int) -> Claim:
        """Give a member messages: first what must be handed out again, then what came late, then what is new.

        Whoever has the last attempt at a message gets it alone, so that it takes no other with it.

        Parameters
        ----------
        present
            The ids that are there now.
        size
            How many it wants at most.
        lease_ns
            For how long it may have them without a word.
        """
        self.expire(now_ns)
        self._see(member, now_ns, lease_ns)
        gaps: list[Range] = []
        ids, attempt = self._returned(present, size, now_ns) if self.record.waiting else ([], 0)
        if not ids:
            attempt = 1
            ids, gaps = self.unclaimed.take(present, self._most(1, size), now_ns)
        lease = self._lend(member, ids, attempt, now_ns + lease_ns) if ids else 0
        return Claim(
            ids=ids,
            attempt=attempt if ids else 0,
            lease=lease,
            epoch=self.record.epoch,
            gaps=gaps,
            last_id=present.last or 0,
            look_again_ns=self._look_again_ns(now_ns),
            is_drained=not ids and self.is_drained(present),
        )

    def is_drained(self, present: IdSet) -> bool:
        """Tell whether nothing is left to be handed out or acknowledged of what is there."""
        record = self.record
        return not record.leases and not record.waiting and not self.unclaimed.among(present).count

    def acknowledge(self, ids: Sequence[Range], *, epoch: int | None = None) -> list[Range]:
        """Take note that messages are done, whoever has them now, and also if nobody ever had them.

        Parameters
        ----------
        ids
            Ranges, ascending.
        epoch
            Of the claim that gave them: of one before a seek only those count that were never given back.

        Returns
        -------
        list
            Those that had been acknowledged before.
        """
        record = self.record
        if epoch is None or epoch == record.epoch:
            for at, lease in enumerate(record.leases):
                if lease.left == ids:  # all that somebody has, as with one message at a time
                    del record.leases[at]
                    self._settle(ids)
                    return []
        else:
            for lease in [lease for lease in record.leases if lease.epoch <= epoch]:
                lease.left, done = split(lease.left, ids)
                self._settle(done)
            self._drop_empty()
            return []
        rest = list(ids)
        for lease in record.leases:
            if rest and lease.left[0][0] <= rest[-1][1] and rest[0][0] <= lease.left[-1][1]:
                lease.left, done = split(lease.left, rest)
                rest = split(rest, done)[0]
                self._settle(done)
        for back in self._not_held() if rest else ():
            back.ids, done = split(back.ids, rest)
            rest = split(rest, done)[0]
            self._settle(done)
        self._drop_empty()
        if not rest:
            return []
        new, before = self.unclaimed.without_taken(rest)
        self.unclaimed.note(new)
        self._settle(new)
        return before

    def refuse(self, member: str, ids: Sequence[Range], now_ns: int, *, delay_ns: int = 0, reason: str = "") -> int:
        """Give back messages that failed, to be handed out again after a delay; return how many the member had.

        What others have now, or what was acknowledged, stays as it is.
        """
        given = 0
        for lease in self._held_by(member):
            lease.left, back = split(lease.left, ids)
            given += count(back)
            self._return(back, lease.attempt, now_ns + delay_ns, reason or f"{member} refused it")
        self._drop_empty()
        return given

    def renew(self, member: str, now_ns: int, *, lease_ns: int) -> None:
        """Take note that a member lives; it keeps what it has and nobody else was given."""
        self._see(member, now_ns, lease_ns)
        for lease in self._held_by(member):
            lease.deadline_ns = now_ns + lease_ns

    def leave(self, member: str, now_ns: int) -> None:
        """Let a member go; what it has comes back at once, as if it had not been handed out to it.

        What it failed at should be refused before.
        """
        self._take_back(self._held_by(member), now_ns, "{member} left", counted=False)
        self.record.members.pop(member, None)

    def expire(self, now_ns: int) -> None:
        """Take back what was not acknowledged in time, and forget members that have nothing and say nothing."""
        record = self.record
        late = [lease for lease in record.leases if lease.deadline_ns <= now_ns]
        self._take_back(late, now_ns, "{member} did not acknowledge it in time")
        silent = [name for name, member in record.members.items() if member.seen_ns + member.lease_ns < now_ns]
        if silent:
            holding = {lease.member for lease in record.leases}
            for name in silent:
                if name not in holding:
                    del record.members[name]

    def resume(self, now_ns: int, *, longest_silence_ns: int) -> None:
        """Take note of the time; if nobody had the group in hands for longer than living members are silent, go on.

        Then the machine slept, or a disk held them all up: that time counts for no lease, or whoever came first would
        be given what all others have.
        """
        record = self.record
        silence_ns = now_ns - record.seen_ns if record.seen_ns else 0
        if silence_ns > longest_silence_ns:
            for lease in record.leases:
                lease.deadline_ns += silence_ns
            for member in record.members.values():
                member.seen_ns += silence_ns
        record.seen_ns = now_ns

    def restart(self, now_ns: int) -> None:
        """Go on by a clock that has begun anew: all members are gone, and no delay is left."""
        self._take_back(self.record.leases, now_ns, "the machine was started anew while {member} had it")
        self.record.members = {}
        self.record.seen_ns = 0
        for back in self.record.waiting:
            back.due_ns = now_ns
        self.record.looks = []

    def newest(self, present: IdSet) -> int:
        """Return the id of the newest message if the group was not shown it here before, else 0; no lease, no position.

        What is older and was not shown is never shown.
        """
        last = present.last or 0
        if last <= self.record.last_shown:
            return 0
        self.record.last_shown = last
        return last

    def seek(self, message_id: int) -> None:
        """Go on behind an id; 0: from the start.

        All behind it is unclaimed, whoever has it or had it. Of those up to it, what was never handed out is passed
        over and counts as settled, also if it comes later; what was handed out before the id itself is still owed.
        """
        record = self.record
        below = [(1, message_id - 1)] if message_id > 1 else []
        for lease in record.leases:
            lease.left = split(lease.left, below)[1]
        for back in self._not_held():
            back.ids = split(back.ids, below)[1]
        self._drop_empty()
        self.unclaimed.seek(message_id)
        record.last_acknowledged = min(record.last_acknowledged, message_id)
        record.epoch += 1
        self.is_freed = True

    def revive(self, now_ns: int) -> int:
        """Hand out all dead letters again, with all their attempts; return how many."""
        dead, self.record.dead = self.record.dead, []
        for letter in dead:
            self._return(letter.ids, 0, now_ns, letter.reason)
        return sum(count(letter.ids) for letter in dead)

    def unacknowledged(self, present: IdSet, first_id: int = 0, last_id: int = 0) -> list[Range]:
        """Return which messages from ``first_id`` to ``last_id`` are there and not settled; 0: no limit.

        Raises
        ------
        StreamError
            If the last id is smaller than the first.
        """
        if last_id and last_id < first_id:
            raise StreamError(f"from {first_id} to {last_id} there is nothing; the first id comes first")
        record = self.record
        first, last = max(first_id, 1), last_id or LARGEST_ID
        owed = joined(*(lease.left for lease in record.leases), *(back.ids for back in self._not_held()))
        unclaimed = ranges_within(self.unclaimed.among(present), first, last)
        return joined(list(unclaimed), split(owed, [(first, last)])[1])

    def snapshot(self, present: IdSet) -> GroupSnapshot:
        """Return how the group is doing."""
        record = self.record
        in_flight = sum(count(lease.left) for lease in record.leases)
        waiting = sum(count(back.ids) for back in record.waiting)
        dead = sum(count(letter.ids) for letter in record.dead)
        unclaimed = self.unclaimed.among(present).count
        return GroupSnapshot(
            unclaimed=unclaimed,
            in_flight=in_flight,
            waiting=waiting,
            settled=present.count - unclaimed - in_flight - waiting - dead,
            dead=dead,
            position=record.position,
            last_acknowledged=record.last_acknowledged,
            acknowledged=record.acknowledged,
            handed_out=record.handed_out,
            redelivered=record.redelivered,
            members=[
                MemberSnapshot(
                    name=name,
                    in_flight=sum(count(lease.left) for lease in record.leases if lease.member == name),
                    deadline_ns=min((lease.deadline_ns for lease in record.leases if lease.member == name), default=0),
                    seen_ns=member.seen_ns,
                )
                for name, member in record.members.items()
            ],
        )

    def _see(self, member: str, now_ns: int, lease_ns: int) -> None:
        self.record.members[member] = GroupMember(seen_ns=now_ns, lease_ns=lease_ns)

    def _most(self, attempt: int, size: int) -> int:
        return 1 if attempt == self.record.rules.attempts else size

    def _lend(self, member: str, ids: list[Range], attempt: int, deadline_ns: int) -> int:
        record = self.record
        number = record.next_lease
        record.leases.append(
            GroupLease(
                number=number, member=member, left=ids, attempt=attempt, deadline_ns=deadline_ns, epoch=record.epoch
            )
        )
        record.next_lease += 1
        record.handed_out += count(ids)
        if attempt > 1:
            record.redelivered += count(ids)
        return number

    def _returned(self, present: IdSet, size: int, now_ns: int) -> tuple[list[Range], int]:
        """Return ids that have come back and may be handed out again, the smallest first, and which attempt it is."""
        waiting = self.record.waiting
        while due := [back for back in waiting if back.due_ns <= now_ns and back.ids]:
            back = min(due, key=_first_id)
            gone, there = split(back.ids, list(ranges_within(present, back.ids[0][0], back.ids[-1][1])))
            if gone:
                self._bury(gone, back.attempts, GONE)
            ids, back.ids = cut(there, self._most(back.attempts + 1, size))
            if ids:
                self._drop_empty()
                return ids, back.attempts + 1
        self._drop_empty()
        return [], 0

    def _look_again_ns(self, now_ns: int) -> int | None:
        record = self.record
        times = [lease.deadline_ns for lease in record.leases]
        times += [back.due_ns for back in record.waiting]
        if record.looks:
            stop_waiting(record, now_ns)
            times += next_wait_ns(record)
        return max(min(times), now_ns) if times else None

    def _held_by(self, member: str) -> list[GroupLease]:
        return [lease for lease in self.record.leases if lease.member == member]

    def _take_back(self, leases: Sequence[GroupLease], now_ns: int, reason: str, *, counted: bool = True) -> None:
        if not leases:
            return
        for lease in leases:
            self._return(lease.left, lease.attempt - (not counted), now_ns, reason.format(member=lease.member))
            lease.left = []
        self._drop_empty()

    def _return(self, ids: list[Range], attempts: int, due_ns: int, reason: str) -> None:
        limit = self.record.rules.attempts
        if not ids:
            return
        self.is_freed = True
        if limit and attempts >= limit:
            self._bury(ids, attempts, reason)
            return
        for back in self.record.waiting:
            if (back.attempts, back.due_ns, back.reason) == (attempts, due_ns, reason):
                back.ids = joined(back.ids, ids)
                return
        self.record.waiting.append(Waiting(ids=ids, attempts=attempts, due_ns=due_ns, reason=reason))

    def _bury(self, ids: list[Range], attempts: int, reason: str) -> None:
        for letter in self.record.dead:
            if (letter.attempts, letter.reason) == (attempts, reason):
                letter.ids = joined(letter.ids, ids)
                return
        self.record.dead.append(DeadLetter(ids=ids, attempts=attempts, reason=reason))

    def _not_held(self) -> list[Waiting | DeadLetter]:
        return [*self.record.waiting, *self.record.dead]

    def _settle(self, ids: Sequence[Range]) -> None:
        if ids:
            self.record.acknowledged += count(ids)
            self.record.last_acknowledged = max(self.record.last_acknowledged, ids[-1][1])

    def _drop_empty(self) -> None:
        record = self.record
        record.leases = [lease for lease in record.leases if lease.left]
        record.waiting = [back for back in record.waiting if back.ids]
        record.dead = [letter for letter in record.dead if letter.ids]


def _first_id(back: Waiting) -> int:
    return back.ids[0][0]


def _written(rules: GroupRules) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in msgspec.structs.asdict(rules).items())
