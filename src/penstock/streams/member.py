"""A member of a group, wherever that is kept: gathers acknowledgements, and says in the background that it lives."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penstock.core.group import GroupState
from penstock.core.group_record import Claim, DeadLetter, GroupRules, GroupSnapshot, Order
from penstock.core.id_ranges import Range, joined, of_ids
from penstock.core.id_set import IdSet
from penstock.errors import StateError, StreamError
from penstock.streams.group_bell import Bell
from penstock.streams.kept_group import KeptGroup
from penstock.streams.membership import Membership

__all__ = ["Member", "become_member", "group_name"]

S = 1_000_000_000
LEAST_LEASE_S = 0.05
BEATS = 3
"""How often within a lease a member says that it lives."""


def become_member(
    group: KeptGroup,
    present: Callable[[], IdSet],
    *,
    member: str = "",
    lease_s: float = 30,
    attempts: int = 0,
    order: Order = "arrival",
    gap_wait_s: float = 0,
    flush_s: float = 0.01,
    left: Callable[[], None] = lambda: None,
) -> "Member":
    """Do what ``GroupStore.group`` says, in a group wherever it is kept; ``left`` is called when it has left.

    Raises
    ------
    ConflictError
        If members that are alive asked for something else.
    StreamError
        If a number makes no sense.
    """
    for name, value, least in (
        ("lease_s", lease_s, LEAST_LEASE_S),
        ("attempts", attempts, 0),
        ("gap_wait_s", gap_wait_s, 0),
    ):
        if not value >= least:
            raise StreamError(f"{name}={value} is too little for a group; at least {least}")
    rules = GroupRules(attempts=attempts, order=order, gap_wait_ns=round(gap_wait_s * S))
    name = member or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    try:
        return Member(group, present, member=name, rules=rules, lease_s=lease_s, flush_s=flush_s, left=left)
    except BaseException:
        group.close()
        left()
        raise


def group_name(name: str) -> str:
    """Return the name of a group if it can be one; raises `StreamError` if not."""
    if not name:
        raise StreamError("a group needs a name; any text will do")
    return name


class Member(Membership):
    """A member of a kept group.

    Parameters
    ----------
    group
        Closed with it.
    present
        Returns which ids there are now. It is called while the group is held, and must then know all that was appended
        before: what it does not know is taken for removed.
    left
        Called when it has left.
    clock_ns
        One that all members share and that does not go back.
    """

    def __init__(
        self,
        group: KeptGroup,
        present: Callable[[], IdSet],
        *,
        member: str,
        rules: GroupRules,
        lease_s: float,
        flush_s: float,
        left: Callable[[], None] = lambda: None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._group = group
        self._left = left
        self._present = present
        self._member = member
        self._rules = rules
        self._lease_ns = round(lease_s * S)
        self._flush_s = flush_s
        self._clock_ns = clock_ns
        self._lock = threading.RLock()
        self._awake = threading.Condition(self._lock)
        self._pending: list[int] = []
        self._epoch: int | None = None
        """Of what is pending."""
        self._again: list[Range] = []
        self._failure: Exception | None = None
        self._is_counting = False
        """Whether the background wakes within ``flush_s`` anyway."""
        self._has_left = False
        self._pid = os.getpid()
        with group.change() as state:
            state.join(member, rules, self._resume(state), lease_ns=self._lease_ns)
        self._thread = threading.Thread(target=self._run, name=f"group member {member}", daemon=True)
        self._thread.start()

    @property
    def member(self) -> str:  # noqa: D102
        return self._member

    def claim(self, size: int = 256) -> Claim:  # noqa: D102
        with self._changed() as (state, now_ns):
            return state.claim(self._member, self._present(), now_ns, size=size, lease_ns=self._lease_ns)

    def acknowledge(self, *ids: int, epoch: int | None = None) -> None:  # noqa: D102
        with self._lock:
            if epoch != self._epoch:
                self.flush_pending()
                self._epoch = epoch
            self._pending += ids
            if self._failure is not None or self._has_left:
                self.flush_pending()
            if self._flush_s <= 0:
                self.flush_pending()
            elif not self._is_counting:
                self._is_counting = True
                self._awake.notify()

    def flush(self) -> list[Range]:  # noqa: D102
        with self._lock:
            self.flush_pending()
            again, self._again = self._again, []
        return again

    def flush_pending(self) -> None:
        """Write what was acknowledged, if anything was."""
        with self._lock:
            self._check()
            if self._pending:
                self.renew()

    def refuse(self, *ids: int, delay_s: float = 0, reason: str = "") -> int:  # noqa: D102
        delay_ns = round(delay_s * S)
        with self._changed() as (state, now_ns):
            return state.refuse(self._member, of_ids(ids), now_ns, delay_ns=delay_ns, reason=reason)

    def renew(self) -> None:  # noqa: D102
        with self._changed():
            pass

    def newest(self) -> int:  # noqa: D102
        with self._changed() as (state, _):
            return state.newest(self._present())

    def seek(self, message_id: int) -> None:  # noqa: D102
        if message_id < 0:
            raise StreamError(f"there is no id {message_id} to seek; 0 is the start")
        with self._changed() as (state, _):
            state.seek(message_id)

    def revive(self) -> int:  # noqa: D102
        with self._changed() as (state, now_ns):
            return state.revive(now_ns)

    def dead(self) -> list[DeadLetter]:  # noqa: D102
        with self._changed() as (state, _):
            return list(state.record.dead)

    def unacknowledged(self, first_id: int = 0, last_id: int = 0) -> list[Range]:  # noqa: D102
        with self._changed() as (state, _):
            return state.unacknowledged(self._present(), first_id, last_id)

    def snapshot(self) -> GroupSnapshot:  # noqa: D102
        with self._changed() as (state, now_ns):
            state.expire(now_ns)
            return state.snapshot(self._present())

    def bell(self) -> Bell | None:  # noqa: D102
        return self._group.bell()

    def leave(self) -> None:  # noqa: D102
        with self._lock:
            if self._has_left:
                return
            try:
                with self._changed() as (state, now_ns):
                    state.leave(self._member, now_ns)
            finally:
                self._has_left = True
                self._awake.notify()
                self._group.close()
                self._left()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    @contextmanager
    def _changed(self) -> Iterator[tuple[GroupState, int]]:
        """Hold the group, and tell what time it is; what is pending is written, too, and the leases are renewed.

        The clock is read once: no time passes while the group is held. Else who is held up there, by a disk or because
        the machine sleeps, would find that all others, who cannot renew meanwhile, are late.
        """
        with self._lock:
            self._check()
            with self._group.change() as state:
                now_ns = self._resume(state)
                was_done = state.is_done
                if self._member not in state.record.members:  # forgotten in a long silence, or the group was deleted
                    state.join(self._member, self._rules, now_ns, lease_ns=self._lease_ns)
                again = self._acknowledged(state)
                state.renew(self._member, now_ns, lease_ns=self._lease_ns)
                yield state, now_ns
                self._ring(state, was_done=was_done)
            self._pending = []
            if again:
                self._again = joined(self._again, again)

    def _ring(self, state: GroupState, *, was_done: bool) -> None:
        """Wake those who have something to do now, or nothing any more."""
        if state.is_freed:
            state.is_freed = False
            self._group.ring(is_done=False)
        if state.is_done and not was_done:
            self._group.ring(is_done=True)

    def _resume(self, state: GroupState) -> int:
        """Return what time it is; time in which nobody had the group in hands may not count."""
        now_ns = self._clock_ns()
        state.resume(now_ns, longest_silence_ns=self._lease_ns * 2 // BEATS)
        return now_ns

    def _check(self) -> None:
        if self._has_left:
            raise StateError(f"{self._member} has left its group; become a member again")
        if self._pid != os.getpid():
            raise StateError(
                f"{self._member} is a member in process {self._pid}; each process needs its own membership"
            )
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _acknowledged(self, state: GroupState) -> list[Range]:
        ids = self._pending
        if not ids:
            return []
        first, n = ids[0], len(ids)
        is_run = ids[-1] - first == n - 1 and (n < 3 or ids == list(range(first, first + n)))
        return state.acknowledge([(first, first + n - 1)] if is_run else of_ids(ids), epoch=self._epoch)

    def _run(self) -> None:
        """Write what has been pending for a while, and renew."""
        beat_s = self._lease_ns / S / BEATS
        with self._lock:
            while True:
                was_counting = self._is_counting
                self._awake.wait(min(self._flush_s, beat_s) if was_counting else beat_s)
                if self._has_left:
                    return
                if self._is_counting and not was_counting:
                    continue  # by the first of some that are written together, or with the next claim
                had_any = bool(self._pending)
                try:
                    if had_any or not self._is_counting:
                        self.renew()
                except Exception as error:  # noqa: BLE001  # raised where somebody can mend it: at the next call
                    self._failure = error
                self._is_counting = had_any
