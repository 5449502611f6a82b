"""A consumer group by ASAPO's rules, on the same state as our own groups: what either hands out, the other does not.

Pure: what is there, what time it is and the state of the group come in. Without resending a message that is handed out
is settled; with it, it is leased for the delay. A missing id that is reached in order is passed over, and said once.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from penstock.core.group import GroupState
from penstock.core.group_record import DeadLetter, GroupLease, GroupRules, Waiting
from penstock.core.id_ranges import joined, split
from penstock.core.id_set import IdSet

__all__ = ["Given", "give_next", "give_this", "hand_again", "is_owed", "pass_over", "settle"]

MEMBER: Final = "ASAPO"
"""As whom our own groups see all of ASAPO's consumers together."""
_MS: Final = 1_000_000
PARTS: Final = 64
"""A message comes again too early by at most this part of the delay."""


class Given(msgspec.Struct, frozen=True, gc=False):
    """What a group gets."""

    id: int = 0
    """0: nothing."""
    is_hole: bool = False
    """Whether there is no such message; it was passed over."""


def give_next(
    state: GroupState, present: IdSet, now_ns: int, *, first_id: Callable[[], int], resend_ms: int | None, attempts: int
) -> Given:
    """Give the next message in the order of ids, or first one that must be handed out again.

    Parameters
    ----------
    present
        Ids that are there now.
    first_id
        Returns the id before which all was removed, to be passed over in silence; asked only at a missing id.
    resend_ms
        After what time it is handed out again if nobody acknowledges it; ``None``: never.
    attempts
        How often it is handed out again at most; 0: without limit.
    """
    again = hand_again(state, present, now_ns, resend_ms=resend_ms, attempts=attempts)
    if again:
        return Given(again)
    taken = state.unclaimed.taken
    number, last = taken.first_absent(1), present.last
    if number <= last and number not in present and number < (first := first_id()):
        state.unclaimed.note([(number, first - 1)])
        number = taken.first_absent(first)
    if number > last:
        return Given()
    if number not in present:
        _take(state, number)
        return Given(number, True)
    give_this(state, number, now_ns, resend_ms=resend_ms)
    return Given(number)


def pass_over(state: GroupState, first_id: int, last_id: int) -> int:
    """Pass over the next of some ids that can never come; return it, 0 for none."""
    number = state.unclaimed.taken.first_absent(first_id)
    if number > last_id:
        return 0
    _take(state, number)
    return number


def give_this(state: GroupState, number: int, now_ns: int, *, resend_ms: int | None) -> None:
    """Give a message that nobody was given yet."""
    _take(state, number)
    state.record.handed_out += 1
    if resend_ms is not None:
        _lend(state, number, 1, now_ns, resend_ms)


def hand_again(state: GroupState, present: IdSet, now_ns: int, *, resend_ms: int | None, attempts: int) -> int:
    """Give one of the messages that were not acknowledged in time, or refused; return its id, 0 for none."""
    record = state.record
    if not record.leases and not record.waiting:
        return 0
    if resend_ms is not None and not record.members:
        record.rules = GroupRules(attempts=attempts + 1 if attempts else 0)
    state.expire(now_ns)
    due = [back for back in record.waiting if back.due_ns <= now_ns]
    for back in sorted(due, key=lambda back: back.ids[0][0]):
        for number in [one for first, last in back.ids for one in range(first, last + 1)]:
            back.ids = split(back.ids, [(number, number)])[0]
            if number not in present:  # removed meanwhile
                continue
            if resend_ms is not None:
                _lend(state, number, back.attempts + 1, now_ns, resend_ms)
            record.handed_out += 1
            record.redelivered += 1
            _drop_empty(state)
            return number
    _drop_empty(state)
    return 0


def is_owed(state: GroupState) -> bool:
    """Tell whether something may still be handed out again."""
    return bool(state.record.leases or state.record.waiting)


def next_due_ns(state: GroupState) -> int | None:
    """Return when something may next be handed out again; ``None``: never."""
    times = [lease.deadline_ns for lease in state.record.leases] + [back.due_ns for back in state.record.waiting]
    return min(times, default=None)


def settle(state: GroupState, number: int) -> None:
    """Take note that a message is done: it is not handed out again. One that nobody was given stays as it is."""
    if _take_from_all(state, number):
        state.record.acknowledged += 1
        state.record.last_acknowledged = max(state.record.last_acknowledged, number)
        _drop_empty(state)


def refuse(state: GroupState, number: int, now_ns: int, *, delay_ms: int) -> None:
    """Let a message be handed out once more, after a delay, whoever has it now."""
    _take_from_all(state, number)
    _drop_empty(state)
    _take(state, number)
    limit = state.record.rules.attempts
    state.record.waiting.append(
        Waiting(ids=[(number, number)], attempts=max(limit - 1, 1), due_ns=now_ns + delay_ms * _MS, reason="refused")
    )
    state.is_freed = True


def _take_from_all(state: GroupState, number: int) -> bool:
    record, only = state.record, [(number, number)]
    was_owed = False
    for lease in record.leases:
        lease.left, done = split(lease.left, only)
        was_owed = was_owed or bool(done)
    backs: list[Waiting | DeadLetter] = [*record.waiting, *record.dead]
    for back in backs:
        back.ids, done = split(back.ids, only)
        was_owed = was_owed or bool(done)
    return was_owed


def _take(state: GroupState, number: int) -> None:
    state.unclaimed.note([(number, number)])
    state.record.position = max(state.record.position, number)


def _lend(state: GroupState, number: int, attempt: int, now_ns: int, resend_ms: int) -> None:
    delay_ns = resend_ms * _MS
    deadline_ns = now_ns + delay_ns
    record = state.record
    for lease in record.leases[-2:]:
        # Together with one that is due a little sooner: thousands of leases would make each request slow.
        is_like = (lease.member, lease.attempt, lease.epoch) == (MEMBER, attempt, record.epoch)
        if is_like and 0 <= deadline_ns - lease.deadline_ns <= delay_ns // PARTS:
            lease.left = joined(lease.left, [(number, number)])
            return
    record.leases.append(
        GroupLease(
            number=record.next_lease, member=MEMBER, left=[(number, number)], attempt=attempt, deadline_ns=deadline_ns,
            epoch=record.epoch,
        )
    )  # fmt: skip
    record.next_lease += 1


def _drop_empty(state: GroupState) -> None:
    record = state.record
    record.leases = [lease for lease in record.leases if lease.left]
    record.waiting = [back for back in record.waiting if back.ids]
    record.dead = [letter for letter in record.dead if letter.ids]
