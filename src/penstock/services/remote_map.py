"""A map stage, or a chain of steps, as the event builder sees it: leases out, results back in order, deaths mended."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core import Account, EventBatch, Kind
from penstock.core.dispatch import Dispatcher
from penstock.core.lease import GivenUp, Lease, Lost, Taken
from penstock.core.ledger import ACCOUNTS, Entry
from penstock.core.log_records import EventsEnded, RangeWorked
from penstock.core.replayed_ranges import ReplayedRanges
from penstock.core.resequencer import Resequencer
from penstock.core.result_range import ResultRange
from penstock.core.trigger_map import TriggerMap
from penstock.services.far_results import FarResults
from penstock.services.flow import Flow, copies_in, is_counted, kind_of, lane_of, numbers_of, origins_of, with_values
from penstock.services.occupancy import Occupancy
from penstock.services.orders import StageOrder
from penstock.services.peer import Peer
from penstock.services.progress import BESIDES
from penstock.services.remote_stage import EVERYTHING, ON_REQUEST, Floor, RemoteStage, small_flows
from penstock.wire import envelopes as wire
from penstock.wire.integers import encode_integers

__all__ = ["RemoteMap"]

PASSED_BY = "its worker had no time for them; it only looks on, and nobody waits for it"
MOST_BATCHES = 1000
"""That wait for who only looks on, however much memory there is."""
MOST_HELD = 65_536
"""Results that wait for an earlier event; beyond, nothing new is lent until that event has come."""


class _Lent(msgspec.Struct, eq=False, gc=False):
    """A lease, and how much of it has come back."""

    lease: Lease[Flow]
    numbers: NDArray[np.int64]
    arrived_ns: int
    told: int = 0
    logged: int = 0
    """Of those, how many are in the event log as a range of their own."""


class _Barrier(msgspec.Struct, eq=False):
    """A start or an end: everything before it is done first, then everybody is told, then it goes on."""

    id: int
    flow: Flow
    producer: str
    counted: int
    waits_for: set[str] | None = None
    """Who has not called its hook; ``None``: nobody was told yet."""


class RemoteMap(RemoteStage):
    """Workers, or the one process of a chain of steps.

    Parameters
    ----------
    order
        The stage.
    maps
        Trigger maps by join.
    keeps_no_state
        Whether its code is functions alone, so that a successor goes on where it was.
    """

    def __init__(self, order: StageOrder, maps: Mapping[str, TriggerMap], floor: Floor) -> None:
        super().__init__(order.name, order.inputs, floor, order.deadline_s)
        self._order = order
        self._maps = maps
        self._tags = frozenset(order.tags)
        self._lanes = {producer: lane for lane, producer in order.inputs}
        self._producers = dict(order.producers)
        self._ranks = {lane: rank for rank, lane in enumerate(self._producers)}
        self._resequencers = {lane: Resequencer(order.order) for lane in self._producers}  # type: ignore[arg-type]
        self._dispatcher: Dispatcher[Flow] = Dispatcher(list(self._producers))
        self._lent: dict[int, _Lent] = {}
        self._waiting: deque[tuple[Flow, str] | _Barrier] = deque()
        """What came behind a start or an end that has not passed."""
        self._start: Flow | None = None
        """Kept for workers that come later."""
        self._flags = 0
        self._trips: dict[tuple[str, int], int] = {}
        self._deaths_in_hooks = 0
        """In a row."""
        self._is_stopped = False
        self._is_outlet_closed = False
        self._taken_to = dict.fromkeys(self._producers, -1)
        """By lane, the highest number that somebody was to have."""
        self._groups: dict[str, NDArray[np.int64]] = {}
        """By lane, the constraints that are bound and named again, when somebody last wanted to know."""
        self.occupancy: Occupancy | None = None
        """Told when workers have something to do, if anybody wants to know."""
        self._was_passed_by = False
        """Of a stage that gives way: whether that was remarked."""
        self._ends: list[Flow] = []
        """Ends that wait until the rest has come out of steps that hold something."""
        self._finishes: bool | None = None
        """Whether steps are bringing out the rest; ``None``: they were not asked yet."""

    def repeat(self, ranges: Sequence[RangeWorked], ended: NDArray[np.int64] | None) -> None:
        """Cut ranges, and give them to workers, as in a recorded run; before anything comes.

        Parameters
        ----------
        ended
            Numbers of what has ended here, of a run that goes on.
        """
        names = [f"{self.name}-{k}" for k in range(self._order.workers)]
        self._dispatcher = ReplayedRanges(list(self._producers), ranges, names, numbers_of, ended)

    @property
    def workers(self) -> int:
        """Who takes part and stays."""
        return sum(not peer.is_leaving for peer in self.peers.values())

    @property
    def backlog(self) -> int:
        """Events that nobody was given."""
        return self._dispatcher.waiting

    @property
    def goes_by_load(self) -> bool:
        """Whether others may do now what there is to do: not while it is held, has failed, or repeats a run."""
        is_repeating = isinstance(self._dispatcher, ReplayedRanges) and self._dispatcher.repeats
        return not (is_repeating or self.is_held or self._is_stopped)

    def spare(self) -> tuple[list[Peer], bool]:
        """Return who could leave, and nothing that must stay with a worker would go to others; the last first.

        With it, whether events began to come, since this was asked last, that must stay with one worker.
        """
        before, self._groups = self._groups, {}
        kept = self._dispatcher.keepers(self._is_named)
        found = [peer for peer in self.peers.values() if not (peer.is_leaving or peer.name in kept)]
        opens = any(not np.isin(now, before.get(lane, ())).all() for lane, now in self._groups.items())
        return sorted(found, key=lambda peer: -int(peer.name.rpartition("-")[2])), opens

    def keep_to_own(self, peers: Sequence[Peer]) -> None:
        """Give these nothing but what must stay with them, so that they can leave soon; give the others anything."""
        self._dispatcher.keep_to_own([peer.name for peer in peers])

    def _is_named(self, lane: str, constraint: NDArray[np.int64]) -> NDArray[np.bool_]:
        trigger_map = self._maps[self._producers[lane]]
        named = trigger_map.names_later(constraint, self._taken_to[lane])
        self._groups[lane] = constraint[named]
        return named

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Queue a flow; a start or an end waits until everything before it is done."""
        if kind_of(flow) is not Kind.DATA:
            counted = len(flow) if is_counted(flow, producer) else 0
            self.entries[producer].arrive(counted)
            self._flags += 1
            self._waiting.append(_Barrier(self._flags, self.floor.custody.shelved(flow), producer, counted))
            self._pass_barriers(now)
            return
        flow = with_values(flow)
        if not len(flow):
            return
        self.entries[producer].arrive(len(flow))
        if trouble := copies_in(flow, self.name):
            self._is_stopped = True
            self.fail(trouble, None, ())
            return
        if self._order.gives_way:
            self._give_way(now)
        if self._waiting:
            self._waiting.append((flow, producer))
        else:
            self._submit(flow, producer)

    def enter(self, peer: Peer, now: int) -> None:
        """Let a worker take part; one that comes late is told of the start first."""
        self.peers[peer.name] = peer
        if self._start is not None:
            peer.say(wire.Flag(0, self.describe(self._start, peer)))
        for barrier in self._waiting:
            if isinstance(barrier, _Barrier) and barrier.waits_for is not None and kind_of(barrier.flow) is Kind.END:
                barrier.waits_for.add(peer.name)
                peer.say(wire.Flag(barrier.id, self.describe(barrier.flow, peer)))
        self._dispatcher.join(peer.name, self._tags, self._order.prefetch)
        if peer.is_leaving:  # asked before it was there
            self._dispatcher.retire(peer.name)

    def leave(self, name: str) -> None:
        """Give a worker nothing more; it goes when it has done what it has."""
        self.peers[name].is_leaving = True
        self._dispatcher.retire(name)

    def left(self, now: int) -> list[Peer]:
        """Return workers that were to leave and have nothing more; they take part no more."""
        if not any(peer.is_leaving for peer in self.peers.values()):
            return []
        gone = [p for p in self.peers.values() if p.is_leaving and not self._dispatcher.leases_of(p.name)]
        for peer in gone:
            del self.peers[peer.name]
            for lease in self._dispatcher.lost(peer.name).copies:
                self._give_up(lease, Account.DISCARDED, "its worker left; others have the event too", now)
        return gone

    def hear(self, peer: Peer, envelope: Any, now: int) -> None:  # one of Envelope
        """Take what a worker said."""
        match envelope:
            case wire.Part():
                self._part(envelope, now)
            case wire.Done(lease, took_ns, kept, let_go):
                self.keep(peer, kept, let_go)
                self._done(peer, lease, took_ns, now)
            case wire.Yielded():
                self._yielded(envelope, now)
            case wire.Raised(lane, notes):
                self._note_raised(notes, self._entry(lane))
            case wire.BroughtOut():
                self._finishes = False
                self._pass_barriers(now)
            case wire.Flagged(number):
                self._flagged(peer, number, now)
            case wire.Failed(text, event, _, notes):
                self._is_stopped = True
                self.fail(text, event, notes)

    def lose(self, peer: Peer, why: str, now: int, *, is_replaced: bool = True) -> None:
        """Give what a dead worker had to others; what seems to have killed it goes alone, and at last to nobody."""
        if self.peers.pop(peer.name, None) is None:
            return  # it had left
        if self.occupancy is not None:
            self.occupancy.ends(peer.name, now)
        lost = self._dispatcher.lost(peer.name)
        at_lease, at_event = (0, None) if peer.is_renewed else (peer.progress.lease, peer.progress.event)
        self._remark_state(lost, peer.name)
        for lease in lost.leases:
            rest = self._untold(lease)
            if lease.id == at_lease:
                self._again(rest, at_event, why, now)
            elif rest.size:  # it killed nobody
                self._dispatcher.again(replace(rest, attempts=rest.attempts - 1))
        for lease in lost.copies:
            self._give_up(self._untold(lease), Account.FAILED, "its worker died; others have the event too", now)
        for lease in (*lost.leases, *lost.copies):
            self._lent.pop(lease.id, None)
        if at_lease == BESIDES:
            self._count_death_in_hook(why)
        for barrier in self._waiting:
            if isinstance(barrier, _Barrier) and barrier.waits_for is not None:
                barrier.waits_for.discard(peer.name)
        self._pass_barriers(now)

    def advance(self, now: int) -> None:
        """Lend what can be lent."""
        if self._is_stopped or self.is_held or self.is_held_up:
            return
        if self._dispatcher.has_waiting:
            assigned = self._dispatcher.assign(now)
            for taken in assigned.taken:
                self._expect(taken)
            for lease in assigned.leases:
                self._lend(lease)
        self._pass_barriers(now)

    def discard(self, now: int) -> int:
        """Give up what nobody was lent; starts and ends stay, and results are waited for no more."""
        counts = self._account(self._dispatcher.give_up(), Account.ABORTED, now)
        waiting, self._waiting = self._waiting, deque()
        for head in waiting:
            if isinstance(head, _Barrier):
                self._waiting.append(head)
            else:
                flow, producer = head
                counts[producer] += len(flow)
                self._account_flow(flow, producer, Account.ABORTED)
        for producer in +counts:
            self.entries[producer].remark(Account.ABORTED.label, ON_REQUEST)
        self._pass_barriers(now)
        return counts.total()

    def _give_way(self, now: int) -> None:
        """Let what waits pass by, the oldest first, until nobody has to wait for the slots it lies in."""
        if self._dispatcher.waiting:
            self.advance(now)
        while self._is_in_the_way():
            if not self._account(self._dispatcher.give_up_oldest(), Account.DISCARDED, now):
                early = next(head for head in self._waiting if isinstance(head, tuple))
                self._waiting.remove(early)
                self._account_flow(*early, Account.DISCARDED)
            if not self._was_passed_by:
                self._was_passed_by = True
                for entry in self.entries.values():
                    entry.remark(Account.DISCARDED.label, PASSED_BY)

    def _is_in_the_way(self) -> bool:
        waiting = self._dispatcher.batches_waiting + sum(isinstance(head, tuple) for head in self._waiting)
        return waiting > self._order.may_wait and (waiting > MOST_BATCHES or self.floor.custody.is_short)

    def _account(self, given_up: GivenUp[Flow], account: Account, now: int) -> Counter[str]:
        """Account for what was taken out of the dispatcher, and return how much it was, by producer."""
        for taken in given_up.taken:
            self._expect(taken)
        counts: Counter[str] = Counter()
        for lease in given_up.fresh:
            counts[self._producers[lease.lane]] += lease.size
            self._entry(lease.lane).post(account, lease.size)
            self._log_ended(numbers_of(lease.batch)[lease.rows], bytes([account]) * lease.size, 0)
        for lease in given_up.given:
            counts[self._producers[lease.lane]] += lease.size
            self._give_up(lease, account, "", now)
        return counts

    def _account_flow(self, flow: Flow, producer: str, account: Account) -> None:
        self.entries[producer].post(account, len(flow))
        self._log_ended(numbers_of(flow), bytes([account]) * len(flow), 0)

    @property
    def is_idle(self) -> bool:
        """Whether everything that was taken is done."""
        return not (self._waiting or self._lent or self._dispatcher.waiting or self._finishes)

    @property
    def holds(self) -> bool:
        """Whether steps may hold something that they give when their inputs are closed."""
        return self.renumbers and not self._is_outlet_closed

    @property
    def is_settled(self) -> bool:
        """Whether nothing is worked on that stands before the event at which user code failed."""
        if self._is_stopped:
            return not any(
                int(lent.numbers[lent.told]) < self.limit for lent in self._lent.values() if self._is_left(lent)
            )
        return self.is_idle

    def is_busy(self, peer: Peer) -> bool:
        """Whether a worker has a lease, or a hook to call."""
        if self._dispatcher.leases_of(peer.name) or self._finishes:
            return True
        return any(isinstance(b, _Barrier) and peer.name in (b.waits_for or ()) for b in self._waiting)

    @staticmethod
    def _is_left(lent: _Lent) -> bool:
        return lent.told < len(lent.numbers)

    @property
    def is_held_up(self) -> bool:
        """Whether nothing should be made now: what reads from here has enough, or waits for an earlier event."""
        for room in self.outlet.rooms:
            if getattr(room, "is_full", False):
                return True
        for resequencer in self._resequencers.values():
            if resequencer.held > MOST_HELD:
                return not self._dispatcher.has_returned
        return False

    def _submit(self, flow: Flow, producer: str) -> None:
        trigger_map, own_lane = self._maps.get(producer), self._lanes[producer]
        for piece in small_flows(flow):
            routes = None
            if trigger_map is not None and isinstance(piece, EventBatch):
                routes = trigger_map.routes(piece.numbers, piece.names).only(self._tags)
            self._dispatcher.submit(piece, routes, lane_of(piece, own_lane))

    def _expect(self, taken: Taken[Flow]) -> None:
        """Learn in which order results must leave, and account for events that go to nobody here."""
        numbers = numbers_of(taken.batch)[taken.rows]
        self._taken_to[taken.lane] = max(self._taken_to[taken.lane], int(numbers[-1]))
        resequencer = self._resequencers[taken.lane]
        if taken.deliveries is None:
            resequencer.expect(numbers)
            return
        entry = self._entry(taken.lane)
        if taken.again:
            resequencer.expect_more(numbers, taken.deliveries)
            entry.arrive(int(taken.deliveries.sum()))
        else:
            resequencer.expect(numbers, taken.deliveries)
            entry.arrive(int(np.maximum(taken.deliveries - 1, 0).sum()))
            entry.post(Account.DISCARDED, int((taken.deliveries == 0).sum()))

    def _entry(self, lane: str) -> Entry:
        return self.entries[self._producers[lane]]

    def _lend(self, lease: Lease[Flow]) -> None:
        peer = self.peers[lease.worker]
        flow = lease.batch.take(lease.rows)
        if lease.streams is not None and isinstance(flow, EventBatch):
            flow = flow.masked(lease.streams)
        self._lent[lease.id] = _Lent(lease, numbers_of(flow), getattr(flow, "arrived_ns", 0))
        if self.occupancy is not None:
            self.occupancy.begins(lease.worker, lease.given_ns)
        copies = None if lease.copies is None else encode_integers(lease.copies)
        descriptor = self.describe(flow, peer)
        is_urgent = self._is_urgent(lease)
        peer.say(
            wire.Lease(lease.id, lease.lane, descriptor, lease.size, lease.attempts > 1, copies, lease.again, is_urgent)
        )
        if is_urgent:
            peer.progress.urge()

    def _is_urgent(self, lease: Lease[Flow]) -> bool:
        """Whether a worker that has leases of lower lanes is to do this one first; not where it is told by a log."""
        if len(self._ranks) == 1 or isinstance(self._dispatcher, ReplayedRanges):
            return False
        rank = self._ranks[lease.lane]
        others = (lent.lease for lent in self._lent.values() if lent.lease.worker == lease.worker)
        return any(self._ranks[other.lane] > rank for other in others)

    def _part(self, part: wire.Part, now: int) -> None:
        lent = self._lent.get(part.lease)
        if lent is None:
            return  # of a lease that was taken away
        rows = slice(lent.told, lent.told + part.size)
        lent.told = rows.stop
        lease, numbers = lent.lease, lent.numbers[rows]
        entry = self._entry(lease.lane)
        for account, count in part.accounts:
            entry.post(ACCOUNTS[account], count)
        if part.notes:
            self._note_raised(part.notes, entry)
        values, revision = self._values(part, numbers)
        copies = None if lease.copies is None else lease.copies[rows]
        if part.ended is not None:
            self._log_ended(numbers, part.ended, revision)
        result = ResultRange(
            stage=self.name, numbers=numbers, values=values, revision=revision, copies=copies, lane=lease.lane,
            arrived_ns=lent.arrived_ns, origins=origins_of(lease.batch),
        )  # fmt: skip
        self._let(self._resequencers[lease.lane].handle(result), now)

    def _note_raised(self, notes: Sequence[wire.Note], entry: Entry) -> None:
        set_aside = self._order.on_error in ("retry", "dead_letter")
        self.note(notes, entry, Account.DEAD_LETTERED if set_aside else Account.FAILED)

    def _yielded(self, yielded: wire.Yielded, now: int) -> None:
        """Hand on what steps gave of their own accord, under numbers of their own."""
        numbers = yielded.results.numbers.array()
        lent = next(iter(self._lent.values()), None)  # what it works on
        self.next_number = int(numbers[-1]) + 1
        values = FarResults([self.floor.custody.piece(yielded.results)], slice(0, len(numbers)), None, None, numbers)
        result = ResultRange(
            stage=self.name, numbers=numbers, values=values, revision=yielded.results.revision, lane=yielded.lane,
            origins=() if lent is None else origins_of(lent.lease.batch),
        )  # fmt: skip
        if not self._is_stopped:
            self.outlet.give([result], now)

    def _values(self, part: wire.Part, numbers: NDArray[np.int64]) -> tuple[FarResults | None, int]:
        if part.results is None:
            return None, 0
        piece = self.floor.custody.piece(part.results)
        present = None
        if part.present is not None:
            bits = np.frombuffer(part.present, np.uint8)
            present = np.unpackbits(bits, count=part.size, bitorder="little").view(np.bool_)
        return FarResults([piece], slice(0, part.size), None, present, numbers), part.results.revision

    def _let(self, results: list[ResultRange], now: int) -> None:
        """Hand on what may leave, up to the event at which user code failed."""
        if self.limit != EVERYTHING:
            kept = (result.take(slice(0, int(np.searchsorted(result.numbers, self.limit)))) for result in results)
            results = [result for result in kept if len(result)]
        self.outlet.give(results, now)

    def _done(self, peer: Peer, lease_id: int, took_ns: int, now: int) -> None:
        lent = self._lent.pop(lease_id, None)
        if lent is None:
            return
        self._dispatcher.done(lease_id, took_ns)
        if self.occupancy is not None and not self._dispatcher.leases_of(peer.name):
            self.occupancy.ends(peer.name, now)
        if lent.arrived_ns:
            self.latency.add(now - lent.arrived_ns, lent.lease.size)
        if self.floor.log is not None:
            for other in self._lent.values():
                # A worker that has done this one in the midst of another: that was cut there.
                if other.lease.worker == peer.name and other.told > other.logged:
                    self._log_worked(other, other.told, 0, now)
            self._log_worked(lent, len(lent.numbers), took_ns, now)
        self._pass_barriers(now)

    def _again(self, lease: Lease[Flow], suspect: int | None, why: str, now: int) -> None:
        """Give rows again: the event that was worked on apart from its neighbours."""
        if not lease.size:
            return
        numbers = numbers_of(lease.batch)[lease.rows]
        at = -1 if suspect is None else int(np.searchsorted(numbers, suspect))
        if not 0 <= at < len(numbers) or numbers[at] != suspect:
            self._dispatcher.again(lease)
            return
        key = lease.lane, int(numbers[at])
        # Whoever died of this lease before, when no number was told, died of this event too.
        self._trips[key] = trips = self._trips.get(key, lease.attempts - 1) + 1
        alone = lease.part(at, at + 1)
        for part in (lease.part(0, at), lease.part(at + 1, lease.size)):
            if part.size:
                self._dispatcher.again(replace(part, attempts=0))
        if trips < self._order.trips:
            self._dispatcher.again(alone)
            return
        del self._trips[key]
        cause = f"{trips} workers died of it, the last one: {why}"
        note = wire.Note(self.name, key[1], cause, "")
        self._give_up(alone, Account.DEAD_LETTERED, f"event {key[1]}: {cause}", now)
        self.note([note], None, Account.DEAD_LETTERED)

    def _untold(self, lease: Lease[Flow]) -> Lease[Flow]:
        """Return the lease of those of a dead worker's rows of which nothing has come."""
        lent = self._lent.get(lease.id)
        if lent is None or not lent.told:
            return lease
        numbers = numbers_of(lease.batch)[lease.rows]
        return lease.part(int(np.searchsorted(numbers, lent.numbers[lent.told - 1], side="right")), lease.size)

    def _remark_state(self, lost: Lost[Flow], worker: str) -> None:
        """Name it in the books that a worker had events that belong together."""
        for lane, constraints in lost.constraints.items():
            if len(constraints):
                kept = f"{len(constraints)} constraint{'s' if len(constraints) > 1 else ''}"
                text = f"{worker} died with what it kept for the events of {kept}; the rest of them go to others"
                self._entry(lane).remark("state lost", text)

    def _count_death_in_hook(self, why: str) -> None:
        """End the run if workers die of a hook again and again."""
        self._deaths_in_hooks += 1
        if self._deaths_in_hooks >= self._order.trips and not self._is_stopped:
            self._is_stopped = True
            text = f"stage {self.name}: {self._deaths_in_hooks} workers in a row died of a hook, the last one: {why}"
            self.fail(text, None, ())

    def _give_up(self, lease: Lease[Flow], account: Account, detail: str, now: int) -> None:
        """Let events pass without a result."""
        if not lease.size:
            return
        numbers = numbers_of(lease.batch)[lease.rows]
        self._entry(lease.lane).post(account, len(numbers), detail)
        if self.floor.log is not None:
            self._log_ended(numbers, bytes([account]) * len(numbers), 0)
        result = ResultRange(
            stage=self.name, numbers=numbers, values=None, copies=lease.copies, lane=lease.lane,
            origins=origins_of(lease.batch),
        )  # fmt: skip
        self._let(self._resequencers[lease.lane].handle(result), now)

    def _pass_barriers(self, now: int) -> None:
        """Tell everybody of a start or an end whose turn has come, and let it and what stands behind it go on."""
        while self._waiting:
            head = self._waiting[0]
            if not isinstance(head, _Barrier):
                self._waiting.popleft()
                self._submit(*head)
                continue
            if head.waits_for is None:
                if self._lent or self._dispatcher.waiting or not self.peers or self._is_stopped or self.is_held:
                    break
                self._tell(head)
            if head.waits_for:
                break
            self._waiting.popleft()
            self.entries[head.producer].post(Account.DONE, head.counted)
            if self.renumbers and kind_of(head.flow) is Kind.END:
                self._ends.append(head.flow)
            else:
                self.outlet.give([head.flow], now)
        if not self._open and self.is_idle and not self._is_outlet_closed and not self.is_held:
            self._end(now)

    def _end(self, now: int) -> None:
        """Say that nothing more will come, once steps that hold something have brought it out."""
        if self.renumbers and self._finishes is None and self.peers and not self._is_stopped:
            self._finishes = True
            for peer in self.peers.values():
                peer.say(wire.Finish())
            return
        self._is_outlet_closed = True
        self.outlet.give(self._ends, now)
        self.outlet.close(now)

    def _tell(self, barrier: _Barrier) -> None:
        if kind_of(barrier.flow) is Kind.START:
            self._start = barrier.flow
        barrier.waits_for = set(self.peers)
        for peer in self.peers.values():
            peer.say(wire.Flag(barrier.id, self.describe(barrier.flow, peer)))

    def _flagged(self, peer: Peer, number: int, now: int) -> None:
        self._deaths_in_hooks = 0
        for barrier in self._waiting:
            if isinstance(barrier, _Barrier) and barrier.id == number and barrier.waits_for is not None:
                barrier.waits_for.discard(peer.name)
        self._pass_barriers(now)

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended; the stage ends with its last."""
        super().close(producer, now)
        if isinstance(self._dispatcher, ReplayedRanges):
            for lane, each in self._producers.items():
                if each == producer:
                    self._dispatcher.end(lane)
        self._pass_barriers(now)

    def _log_ended(self, numbers: NDArray[np.int64], ended: Any, revision: int) -> None:
        if self.floor.log is not None:
            accounts = np.frombuffer(ended, np.uint8)
            revisions = np.full(len(numbers), revision, np.uint32)
            self.floor.log.append(
                EventsEnded(consumer=self.name, numbers=numbers, accounts=accounts, revisions=revisions)
            )

    def _log_worked(self, lent: _Lent, stop: int, took_ns: int, now: int) -> None:
        """Log the rows of a lease up to one as a range, behind what is logged of it."""
        lease, rows = lent.lease, slice(lent.logged, stop)
        lent.logged = stop
        assert self.floor.log is not None
        self.floor.log.append(
            RangeWorked(
                stage=self.name, worker=lease.worker, lane=lease.lane, attempts=lease.attempts, began_ns=now - took_ns,
                took_ns=took_ns, numbers=lent.numbers[rows],
                masks=np.empty(0, np.uint64) if lease.streams is None else lease.streams[rows],
            )
        )  # fmt: skip
