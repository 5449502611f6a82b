"""The dispatcher of one map stage: which worker gets which rows of which batch, and when.

It only decides. It moves no data, knows no socket, and is told the time; nothing is done per event but array work.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import count
from typing import Final, Generic

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.binder import Room, bind, first_blocked
from penstock.core.block import Rows, pick
from penstock.core.holding import Held, Holder, lease_pattern, split_copies
from penstock.core.lane import Lane, Pending
from penstock.core.lease import Assigned, B, GivenUp, Lease, Lost, Taken
from penstock.core.range_size import RangeSize
from penstock.core.route_window import Share, cut
from penstock.core.routes import GENERIC, NOWHERE, Routes
from penstock.errors import StateError

__all__ = ["Dispatcher"]

FORGET_FROM: Final = 16_384
AHEAD: Final = 4
"""Leases of rows that may be bound to a busy worker when nobody idle has their tags."""
FIRST_EXTRA_COPY: Final = 1 << 20
"""Copies of rows given again are numbered from here, far above those of the first time."""


class Dispatcher(Generic[B]):
    """Lend ranges of batches to workers by credit, tags and stickiness, high lanes before low ones.

    A worker that has all the leases it may have is lent those of a higher lane beside them, up to its credit, and is to
    do them first. A worker sees the events of a lane in their order, except for what a dead worker leaves behind. Rows
    stay in here until they can be lent; nothing is dropped. Memory grows with what is queued and with the constraints
    that are alive, not with what has passed.
    """

    def __init__(self, lanes: Sequence[str] = ("",), *, target_ns: int = 10_000_000, max_rows: int = 4096) -> None:
        """Make a dispatcher.

        Parameters
        ----------
        lanes
            From high to low.
        target_ns
            How long a worker should take for one lease.
        max_rows
            Rows a lease has at most.
        """
        self._lanes: dict[str, Lane[B]] = {name: Lane(name) for name in lanes}
        self._lower = {name: frozenset(lanes[k + 1 :]) for k, name in enumerate(lanes)}
        self._workers: dict[str, Holder[B]] = {}
        self._by_slot: dict[int, Holder[B]] = {}
        self._known_tags: set[frozenset[str]] = set()
        self._lease_of: dict[int, str] = {}
        self._target_ns, self._max_rows = target_ns, max_rows
        self._slots, self._lease_ids, self._submissions = count(), count(1), count()
        self._extra_copy = FIRST_EXTRA_COPY
        self._forget_at = dict.fromkeys(lanes, FORGET_FROM)

    def join(self, worker: str, tags: frozenset[str] = GENERIC, credit: int = 2) -> None:
        """Let a worker take part, at any time, with at most ``credit`` leases at once; twice as many short ones.

        Raises
        ------
        StateError
            If a worker of this name takes part already.
        """
        if worker in self._workers:
            raise StateError(f"worker {worker} takes part already; report it lost before its successor joins")
        if credit < 1:
            raise ValueError(f"worker {worker}: credit is {credit}; it must be 1 or more")
        size = RangeSize(self._target_ns, self._max_rows)
        joined: Holder[B] = Holder(name=worker, slot=next(self._slots), tags=tags, credit=credit, size=size)
        joined.held = {name: deque() for name in self._lanes}
        self._workers[worker] = self._by_slot[joined.slot] = joined
        self._known_tags.add(tags)

    def submit(self, batch: B, routes: Routes | None = None, lane: str = "") -> None:
        """Queue a batch; without routes, its rows may go to any worker.

        Raises
        ------
        ValueError
            If routes and batch differ in length.
        """
        n = len(batch)
        if routes is not None and len(routes) != n:
            raise ValueError(f"lane {lane!r}: {n} events with routes for {len(routes)}; one column an event")
        if not n:
            return
        self._lanes[lane].append(
            Pending(
                batch=batch,
                submission=next(self._submissions),
                rows=slice(0, n),
                size=n,
                routes=routes,
                needs_nobody=routes is not None and bool((routes.constraint == NOWHERE).all()),
            )
        )

    def assign(self, now_ns: int) -> Assigned[B]:
        """Lend whatever can be lent now; call it after every ``submit``, ``join``, ``done`` and ``again``."""
        out: Assigned[B] = Assigned(leases=[], taken=[])
        for lane in self._lanes.values():
            self._lend_held(lane.name, now_ns, out)
            while lane.waiting and self._take_some(lane, now_ns, out):
                self._lend_held(lane.name, now_ns, out)
            if len(lane.binding) >= self._forget_at[lane.name]:
                self._forget(lane)
        return out

    def _lend_held(self, lane: str, now_ns: int, out: Assigned[B]) -> None:
        for worker in self._workers.values():
            queue = worker.held[lane] if worker.backlog else ()
            while queue and worker.free_for(self._lower[lane]) > 0:
                held = queue[0]
                start, held.at = held.at, min(held.at + worker.size.rows, held.lease.size)
                worker.backlog -= held.at - start
                if held.at == held.lease.size:
                    queue.popleft()
                cut_off = replace(held, lease=held.lease.part(start, held.at))
                self._lend(worker, cut_off, now_ns, out)

    def _lend(self, worker: Holder[B], held: Held[B], now_ns: int, out: Assigned[B]) -> None:
        number = worker.last = next(self._lease_ids)
        held.lease = lease = held.lease.lent(number, now_ns)
        worker.lent[number] = held
        self._lease_of[number] = worker.name
        out.leases.append(lease)

    def _take_some(self, lane: Lane[B], now_ns: int, out: Assigned[B]) -> bool:
        """Take rows of one of the lane's heads; return whether there were any that can go somewhere."""
        lower = self._lower[lane.name]
        free = [worker for worker in self._workers.values() if worker.free_for(lower) > 0]
        idle = [worker for worker in free if worker.takes_fresh]
        if len(idle) > 1:
            idle.sort(key=Holder.idleness)
        for pending in lane.heads():
            if pending.routes is not None:
                if (free or pending.needs_nobody) and self._take_routed(lane, pending, pending.routes, idle, out):
                    return True
            elif idle:
                self._take_any(lane, pending, idle, now_ns, out)
                return True
        return False

    def _take_any(
        self, lane: Lane[B], pending: Pending[B], idle: Sequence[Holder[B]], now_ns: int, out: Assigned[B]
    ) -> None:
        """Lend the next rows, which have no routes, to the idlest worker."""
        worker, start = idle[0], pending.at
        size = min(pending.left, worker.size.fair(lane.waiting, len(idle)))
        rows = lane.take(pending, size)
        copies = None if pending.copies is None else pending.copies[start : pending.at]
        lease = lease_pattern(lane.name, worker.name, pending, rows, size, copies)
        self._lend(worker, Held(lease=lease), now_ns, out)
        if not pending.again:
            out.taken.append(Taken(lane=lane.name, batch=pending.batch, rows=rows))

    def _take_routed(
        self, lane: Lane[B], pending: Pending[B], routes: Routes, idle: Sequence[Holder[B]], out: Assigned[B]
    ) -> bool:
        """Bind the next rows and hold them for their workers; return whether any could be bound."""
        wants = {w.slot: w.size.fair(lane.waiting, len(idle)) for w in idle}
        start = pending.at
        window = routes.take(slice(start, start + min(pending.left, max(self._max_rows, sum(wants.values())))))
        room = cache(lambda code: self._room(window.tag_sets[code], wants))
        slots = lane.binding.find(window.constraint)
        size = first_blocked(window, slots, room, lambda code: self._may_go_to_all(window.tag_sets[code]))
        if not size:
            return False
        if size < len(window):
            window, slots = window.take(slice(0, size)), slots[:, :size]
        slots = bind(window, slots, lane.binding, room)
        receivers = {code: set(self._qualified(tags)) for code, tags in enumerate(window.tag_sets)}
        shares, deliveries = cut(window, slots, receivers)
        rows = lane.take(pending, size)
        copies = None if pending.copies is None else pending.copies[start : start + size]
        for share in shares:
            self._hold(lane.name, pending, rows, share, self._copies(pending, share, copies), receivers)
        self._announce(Taken(lane=lane.name, batch=pending.batch, rows=rows, deliveries=deliveries), pending, out)
        return True

    def _room(self, tags: frozenset[str], wants: Mapping[int, int]) -> Room:
        """Who may get fresh constraints with these tags: the idle, else the least loaded up to a bound."""
        qualified = self._qualified(tags)
        room = [(slot, rows) for slot, rows in wants.items() if slot in qualified]
        if room or not qualified:
            return room
        fresh = [slot for slot in qualified if self._by_slot[slot].takes_fresh] or qualified
        slot = min(fresh, key=lambda slot: self._by_slot[slot].backlog)
        left = AHEAD * self._by_slot[slot].size.rows - self._by_slot[slot].backlog
        return [(slot, left)] if left > 0 else []

    def _qualified(self, tags: frozenset[str]) -> list[int]:
        # Who leaves is given nothing that would go to others then.
        return [worker.slot for worker in self._workers.values() if tags <= worker.tags and worker.credit]

    def _may_go_to_all(self, tags: frozenset[str]) -> bool:
        """Whether entries for all can go now: not while the only workers with these tags are dead."""
        if self._qualified(tags):
            return True
        return bool(self._workers) and not any(tags <= known for known in self._known_tags)

    def _hold(
        self,
        lane: str,
        pending: Pending[B],
        rows: Rows,
        share: Share,
        copies: NDArray[np.int32] | None,
        receivers: dict[int, set[int]],
    ) -> None:
        worker = self._by_slot[share.slot]
        lease = replace(
            lease_pattern(lane, worker.name, pending, pick(rows, share.rows), share.size),
            streams=share.streams, copies=copies, routes=share.routes,
        )  # fmt: skip
        worker.held[lane].append(Held(lease=lease, lowest=share.lowest, receivers=receivers))
        worker.backlog += share.size

    def _copies(self, pending: Pending[B], share: Share, copies: NDArray[np.int32] | None) -> NDArray[np.int32] | None:
        """Return the numbers of a share's deliveries: rows given again keep theirs, what comes on top gets new ones."""
        if not pending.again:
            return share.copies
        kept = np.zeros(share.size, np.int32) if copies is None else copies[share.rows]
        if share.copies is None:
            return kept if kept.any() else None
        self._extra_copy += int(share.copies.max())
        return np.where(share.copies == 0, kept, np.int32(self._extra_copy) - share.copies)

    def _announce(self, taken: Taken[B], pending: Pending[B], out: Assigned[B]) -> None:
        if not pending.again:
            out.taken.append(taken)
        elif taken.deliveries is not None and (taken.deliveries > 1).any():
            out.taken.append(replace(taken, deliveries=taken.deliveries - 1, again=True))

    def _forget(self, lane: Lane[B]) -> None:
        """Drop dead constraints whenever their number has doubled; what is lent may come back and still needs its."""
        held = (h for w in self._workers.values() for h in (*w.held[lane.name], *w.lent.values()))
        used = [h.lease.routes for h in held if h.lease.lane == lane.name and h.lowest < lane.horizon]
        used += [pending.routes for pending in lane.returned]
        keep = [routes.constraint.reshape(-1) for routes in used if routes is not None]
        lane.binding.forget(lane.horizon, np.unique(np.concatenate(keep)) if keep else np.empty(0, np.int64))
        self._forget_at[lane.name] = max(FORGET_FROM, 2 * len(lane.binding))

    def done(self, lease_id: int, took_ns: int) -> Lease[B]:
        """Take a lease back whose results are safe.

        Parameters
        ----------
        lease_id
            Its number.
        took_ns
            How long the worker worked on it; 0 if that is not known.

        Raises
        ------
        StateError
            If it is not lent: it was done before, or its worker was lost.
        """
        try:
            worker = self._workers[self._lease_of.pop(lease_id)]
        except KeyError:
            raise StateError(f"lease {lease_id} is not lent: it was done before, or its worker was lost") from None
        lease = worker.lent.pop(lease_id).lease
        if took_ns:
            worker.size.report(lease.size, took_ns)
        return lease

    def is_lent(self, lease_id: int) -> bool:
        """Whether a lease is out; false after ``done`` and after its worker was lost."""
        return lease_id in self._lease_of

    def report(self, worker: str, rows: int, took_ns: int) -> None:
        """Tell how long a worker takes, beside what ``done`` tells; leases are cut to about ``target_ns`` of work."""
        self._workers[worker].size.report(rows, took_ns)

    def overdue(self, now_ns: int, after_ns: int) -> list[Lease[B]]:
        """Return the leases lent longer ago than ``after_ns``, the oldest first."""
        lent = (held.lease for worker in self._workers.values() for held in worker.lent.values())
        return sorted((lease for lease in lent if now_ns - lease.given_ns > after_ns), key=lambda lease: lease.id)

    def retire(self, worker: str) -> None:
        """Lend a worker nothing more; take it out with ``lost`` when ``leases_of`` says that it has nothing.

        Raises
        ------
        StateError
            If no such worker takes part.
        """
        if worker not in self._workers:
            raise StateError(f"worker {worker} does not take part; there are {', '.join(self._workers) or 'none'}")
        self._workers[worker].credit = 0

    def keep_to_own(self, workers: Collection[str]) -> None:
        """Give these nothing but what must stay with them, and copies for all; give the others anything.

        Then they have nothing sooner or later. Leave one out at least, or what is nobody's waits.
        """
        for worker in self._workers.values():
            worker.takes_fresh = worker.name not in workers

    def keepers(self, is_named: Callable[[str, NDArray[np.int64]], NDArray[np.bool_]]) -> set[str]:
        """Return the workers with whom something must stay: rows that are held for them, or what they know of others.

        Parameters
        ----------
        is_named
            Says of a lane, and (m,) constraints, which of them rows name that are not taken yet.
        """
        found = {worker.name for worker in self._workers.values() if worker.backlog}
        for lane in self._lanes.values():
            if lane.returned:  # what they name is not known
                return set(self._workers)
            if len(lane.binding):
                named = is_named(lane.name, lane.binding.keys)
                found |= {self._by_slot[slot].name for slot in np.unique(lane.binding.slots[named]).tolist()}
        return found

    def leases_of(self, worker: str) -> int:
        """Return how many leases a worker has; 0 if it does not take part."""
        holder = self._workers.get(worker)
        return 0 if holder is None else len(holder.lent)

    @property
    def has_returned(self) -> bool:
        """Whether rows that came back from dead workers wait to be lent."""
        return any(lane.returned for lane in self._lanes.values())

    def lost(self, worker: str) -> Lost[B]:
        """Take a dead worker out: its bindings are free again, what it had comes back.

        Raises
        ------
        StateError
            If no such worker takes part.
        """
        gone = self._workers.pop(worker, None)
        if gone is None:
            raise StateError(f"worker {worker} does not take part; there are {', '.join(self._workers) or 'none'}")
        del self._by_slot[gone.slot]
        constraints = {name: lane.binding.free(gone.slot) for name, lane in self._lanes.items()}
        lost: Lost[B] = Lost(worker=worker, leases=[], copies=[], constraints=constraints)
        for lease_id, held in gone.lent.items():
            del self._lease_of[lease_id]
            again, ended = split_copies(held, held.lease, gone.slot)
            lost.leases.extend(again)
            lost.copies.extend(ended)
        for queue in gone.held.values():
            for held in queue:
                again, ended = split_copies(held, held.lease.part(held.at, held.lease.size), gone.slot)
                lost.copies.extend(ended)
                for lease in again:  # nobody was given them yet
                    self.again(replace(lease, attempts=lease.attempts - 1))
        return lost

    def again(self, lease: Lease[B]) -> None:
        """Queue what came back with ``lost``, or a ``part`` of it, before everything else of its lane."""
        self._lanes[lease.lane].give_back(
            Pending(
                batch=lease.batch, submission=lease.submission, rows=lease.rows, size=lease.size, routes=lease.routes,
                copies=lease.copies, again=True, attempts=lease.attempts,
            )
        )  # fmt: skip

    def give_up(self) -> GivenUp[B]:
        """Take everything out that is not lent: account for it, for nobody will work on it."""
        out: GivenUp[B] = GivenUp(fresh=[], given=[], taken=[])
        for lane in self._lanes.values():
            for pending in lane.clear():
                left = slice(pending.at, pending.size)
                copies = None if pending.copies is None else pending.copies[left]
                lease = lease_pattern(lane.name, "", pending, pick(pending.rows, left), pending.left, copies)
                (out.given if pending.again else out.fresh).append(lease)
        for worker in self._workers.values():
            for queue in worker.held.values():
                out.given.extend(held.lease.part(held.at, held.lease.size) for held in queue)
                queue.clear()
            worker.backlog = 0
        return out

    def give_up_oldest(self) -> GivenUp[B]:
        """Take the rows out that are not lent of the batch that was submitted first, as ``give_up`` does of all."""
        out: GivenUp[B] = GivenUp(fresh=[], given=[], taken=[])
        first = min(self._submissions_waiting(), default=None)
        if first is None:
            return out
        for lane in self._lanes.values():
            for pending in lane.clear_first(first):
                left = slice(pending.at, pending.size)
                copies = None if pending.copies is None else pending.copies[left]
                lease = lease_pattern(lane.name, "", pending, pick(pending.rows, left), pending.left, copies)
                (out.given if pending.again else out.fresh).append(lease)
        for worker in self._workers.values():
            for queue in worker.held.values():
                while queue and queue[0].lease.submission == first:
                    held = queue.popleft()
                    out.given.append(held.lease.part(held.at, held.lease.size))
                    worker.backlog -= held.lease.size - held.at
        return out

    def _submissions_waiting(self) -> Iterator[int]:
        """Yield the number of the oldest batch of each queue."""
        for lane in self._lanes.values():
            yield from (pending.submission for pending in lane.heads())
        for worker in self._workers.values():
            yield from (queue[0].lease.submission for queue in worker.held.values() if queue)

    @property
    def workers(self) -> tuple[str, ...]:
        """Who takes part."""
        return tuple(self._workers)

    @property
    def has_waiting(self) -> bool:
        """Whether there are rows not lent."""
        for lane in self._lanes.values():
            if lane.waiting:
                return True
        return any(worker.backlog for worker in self._workers.values())

    @property
    def waiting(self) -> int:
        """Rows not lent: those in the lanes, and those held for a worker that is busy."""
        return sum(lane.waiting for lane in self._lanes.values()) + sum(w.backlog for w in self._workers.values())

    @property
    def batches_waiting(self) -> int:
        """Batches, or what is left of them, of which rows are not lent."""
        held = sum(len(queue) for worker in self._workers.values() for queue in worker.held.values())
        return held + sum(len(lane.queue) + len(lane.returned) for lane in self._lanes.values())

    @property
    def outstanding(self) -> int:
        """Leases that are lent."""
        return len(self._lease_of)

    @property
    def bound(self) -> int:
        """Constraints that are remembered."""
        return sum(len(lane.binding) for lane in self._lanes.values())
