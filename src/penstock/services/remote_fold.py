"""A reducer, or a sink of items, as the event builder sees it: what was given is kept until it need not be given again.

A reducer that dies is followed by another one, which begins where the state was published last.
"""

from collections import Counter, deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from penstock.core import Account, Kind
from penstock.core.ledger import ACCOUNTS, Entry
from penstock.core.result_range import ResultRange
from penstock.core.run import Outcome
from penstock.pipeline.lanes import split_input
from penstock.services.far_results import FarResults
from penstock.services.flow import Flow, is_counted, kind_of, numbers_of, with_values
from penstock.services.orders import SinkOrder, StageOrder
from penstock.services.peer import Peer
from penstock.services.remote_stage import ON_REQUEST, Floor, RemoteStage, small_flows
from penstock.wire import envelopes as wire
from penstock.wire.integers import encode_integers

__all__ = ["RemoteFold"]

MOST_UNFOLDED_BYTES = 32 << 20
MOST_UNFOLDED = 64
"""Ranges given and not folded; beyond, workers are lent nothing, so that results do not pile up."""
MOST_DEATHS = 3
"""Of reducers in a row, at the same results."""
REBUILD_BYTES = 64 << 20
"""What is kept of all results, for a reducer whose state cannot be published."""


class _Given(msgspec.Struct, eq=False, gc=False):
    """A flow that was given, or is to be."""

    id: int
    producer: str
    flow: Flow
    nbytes: int
    is_flag: bool
    accounts: tuple[tuple[int, int], ...] | None = None
    """How it ended; ``None`` while that is not known."""
    is_booked: bool = False
    """Whether that is in the books already, because a predecessor folded it."""


class RemoteFold(RemoteStage):
    """What goes to one process in order."""

    def __init__(self, order: StageOrder | SinkOrder, floor: Floor) -> None:
        producers = order.inputs if isinstance(order, StageOrder) else (("", split_input(order.input)[0]),)
        deadline_s = order.deadline_s if isinstance(order, StageOrder) else 60.0
        super().__init__(order.name, producers, floor, deadline_s)
        self.is_sink = isinstance(order, SinkOrder)
        self.takes_blocks = isinstance(order, SinkOrder) and order.takes_blocks
        self.takes_flows = isinstance(order, SinkOrder) and order.takes_flows
        self._is_recorder = isinstance(order, SinkOrder) and order.is_recorder
        self._is_repeatable = isinstance(order, SinkOrder) and order.is_repeatable
        self._chooses_by = order.chooses_by if isinstance(order, SinkOrder) else ""
        self._peer: Peer | None = None
        self._given: deque[_Given] = deque()
        """Not safe yet, oldest first."""
        self._rebuild: deque[_Given] | None = deque()
        """Everything that was safe, of a reducer whose state cannot be published; ``None``: too much to keep."""
        self._rebuild_bytes = 0
        self._keeps_state = True
        self._died_at: tuple[int, ...] = ()
        self._deaths = 0
        """In a row, at the same place."""
        self._last = 0
        self._sent = 0
        self._folded = 0
        self._unfolded_bytes = 0
        self._start: _Given | None = None
        self._is_stopped = False
        self._is_lost = False
        self._is_new = True
        self._is_outlet_closed = False

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a flow, and give it to the process in its turn."""
        if self.is_sink:
            producer = split_input(producer)[0]  # a sink's books do not say by which lane
            if producer not in self.entries:
                self._take_results(flow, producer)
                return
        is_flag = kind_of(flow) is not Kind.DATA and not self.takes_blocks
        if self._is_stopped and not (is_flag and self.is_sink):
            count = len(flow) if self.takes_blocks else len(with_values(flow))
            self.entries[producer].arrive(count)
            if self._is_recorder:
                self.entries[producer].post(Account.DROPPED, count)
            return
        if is_flag:
            self._take_flag(flow, producer)
            return
        if producer == self._chooses_by:
            self._queue_missing(flow, producer)
        flow = with_values(flow)
        if len(flow):
            self.entries[producer].arrive(len(flow))
            for piece in small_flows(flow):
                self._queue(piece, producer, _nbytes(piece), is_flag=False)

    def _take_results(self, flow: Flow, producer: str) -> None:
        """Hand on by what a sink chooses; it is in no books of the sink's."""
        if self._is_stopped or kind_of(flow) is not Kind.DATA:
            return
        self._queue_missing(flow, producer)
        flow = with_values(flow)
        for piece in small_flows(flow) if len(flow) else ():
            self._queue(piece, producer, _nbytes(piece), is_flag=False)

    def _queue_missing(self, flow: Flow, producer: str) -> None:
        """Say of which events there is no result."""
        if not isinstance(flow, ResultRange):
            return
        numbers = flow.numbers[~np.isin(flow.numbers, numbers_of(with_values(flow)))]
        if len(numbers) and producer == self._chooses_by and producer not in self.entries:
            self._queue(ResultRange(stage=flow.stage, numbers=numbers, values=None), producer, 0, is_flag=False)

    def enter(self, peer: Peer, now: int) -> None:
        """Give the process what it has not folded; a successor is told of the start before it takes its state over."""
        self.peers[peer.name] = self._peer = peer
        if not self._is_new:
            if not self._keeps_state and self._rebuild is not None:
                self._given.extendleft(reversed(self._rebuild))
                self._rebuild, self._rebuild_bytes = deque(), 0
            if self._start is not None and (not self._given or self._start.id < self._given[0].id):
                peer.say(wire.Flag(0, self.describe(self._start.flow, peer)))
            if self._keeps_state and not self.is_sink:
                peer.say(wire.Begin())
        if self._is_new:
            self._keeps_state = peer.keeps_state
        if self._is_lost:
            return  # it closes, and leaves what is published as it is
        self._folded = self._sent = self._given[0].id - 1 if self._given else self._last
        if self._chooses_by:
            for given in self._given:  # what its predecessor held, it has not heard of
                given.accounts = None
        self._unfolded_bytes = sum(given.nbytes for given in self._given)
        self._is_new = False
        self._send()

    def hear(self, peer: Peer, envelope: Any, now: int) -> None:  # one of Envelope
        """Take what the process said."""
        match envelope:
            case wire.Folded():
                self.keep(peer, envelope.kept, envelope.let_go)
                self._fold(envelope, now)
            case wire.Saved(number, version, keeps_state):
                self._hear_of_state(keeps_state)
                self._save(number)
                if not self.is_sink:
                    self.floor.changed(self.name, version)
            case wire.Flagged(number):
                given = self._at(number)
                if given is not None:
                    given.accounts = ((int(Account.DONE), _counted(given)),)
                    self._folded = max(self._folded, number)
            case wire.Failed(text, _, _, notes) if self._is_recorder:
                self.note(notes)
                self.end_recording(text)
            case wire.Failed(text, event, _, notes):
                self._is_stopped = True
                self.fail(text, event, notes)

    def lose(self, peer: Peer, why: str, now: int, *, is_replaced: bool = True) -> None:
        """Learn that the process died; a recorder is given again what it had not said that it kept."""
        self.peers.pop(peer.name, None)
        self._peer = None
        if self.takes_blocks:
            place = (self._given_up_to,)
            self._deaths = self._deaths + 1 if place == self._died_at else 1
            self._died_at = place
            if not is_replaced or self._deaths >= MOST_DEATHS:
                self.end_recording(f"the recording of {self.name} ends: {why}")
            for entry in self.entries.values() if not self._is_lost else ():
                entry.remark("restarted", f"{why}; another one records on, and nothing is missing")
        # A recorder that nobody follows ends its recording; without any other sink the supervisor ends the run.
        elif self._is_repeatable and not self._is_stopped and (is_replaced or not self._is_recorder):
            self._count_death(0 if peer.is_renewed else peer.progress.lease, why)
        elif self._is_recorder:
            self.end_recording(f"the recording of {self.name} ends: {why}")
        elif self.is_sink:
            self._end(f"sink {self.name} was lost: {why}")
        elif not self._keeps_state and self._rebuild is None:
            self._end(
                f"{why}; the state of its reducer could not be published, and of its results too much has passed to "
                "fold them again: give it checkpoint() and restore(), or views of declared arrays alone"
            )
        else:
            self._count_death(0 if peer.is_renewed else peer.progress.lease, why)

    def advance(self, now: int) -> None:
        """Send what there is, and ask for a publication when it would let the rest go on."""
        self._send()
        if not self._open and self.is_idle and not self._is_outlet_closed:
            self._is_outlet_closed = True
            self.outlet.close(now)

    def discard(self, now: int) -> int:
        """Give up what the process was not given; starts and ends stay, and what is to be recorded."""
        if self._is_recorder or self._is_stopped:
            return 0
        sent = [given for given in self._given if given.id <= self._sent]
        kept, self._last = sent, self._sent
        counts: Counter[str] = Counter()
        for given in self._given:
            if given.id <= self._sent:
                continue
            if given.is_flag or given.is_booked:
                self._last += 1
                given.id = self._last
                kept.append(given)
                continue
            counts[given.producer] += len(given.flow) if given.producer in self.entries else 0
            self._unfolded_bytes -= given.nbytes
        for producer, count in counts.items():
            if producer not in self.entries:
                continue
            self.entries[producer].post(Account.ABORTED, count, ON_REQUEST)
        self._given = deque(kept)
        return counts.total()

    def can_renew(self, peer: Peer) -> bool:
        """Whether a successor can go on from what is published, or fold everything again."""
        if self.is_sink:
            return self._is_repeatable
        return self._keeps_state or self._rebuild is not None

    def end_recording(self, text: str) -> None:
        """Record nothing more; the run goes on."""
        if self._is_lost:
            return
        self._is_lost = self._is_stopped = True
        self.floor.state.mark(Outcome.FAILED, text)
        given, self._given = self._given, deque()
        for each in given:
            self.entries[each.producer].post(Account.DROPPED, len(each.flow))
        for entry in self.entries.values():
            entry.remark(Account.DROPPED.label, f"{text}; from here on nothing is kept")

    @property
    def is_idle(self) -> bool:
        """Whether everything that was taken is safe."""
        return not self._given or self._is_lost

    @property
    def is_settled(self) -> bool:
        """Whether what was given is safe, or never will be."""
        # What a sink holds until there are results need not be waited for when there may be none.
        return self.is_idle or self._is_stopped or bool(self._chooses_by and self._folded >= self._last)

    @property
    def is_full(self) -> bool:
        """Whether it has more than enough to do."""
        return self._last - self._folded > MOST_UNFOLDED or self._unfolded_bytes > MOST_UNFOLDED_BYTES

    def is_busy(self, peer: Peer) -> bool:
        """Whether it was given something that is not folded."""
        return peer is self._peer and self._sent > self._folded

    def _count_death(self, at: int, why: str) -> None:
        """End the run, or the recording, if its processes die of the same thing again and again."""
        if not at:
            return  # it worked on nothing
        given = self._at(at)
        place = (at,) if given is not None else (at, self._folded, self._last - len(self._given))
        self._deaths = self._deaths + 1 if place == self._died_at else 1
        self._died_at = place
        if self._deaths < MOST_DEATHS:
            return
        what = "a hook, a checkpoint or a restore"
        if given is not None:
            numbers = numbers_of(given.flow)
            what = f"a result of {given.producer} among events {numbers[0]} to {numbers[-1]}"
        kind, who = ("sink", "processes") if self.is_sink else ("stage", "reducers")
        text = f"{kind} {self.name}: {self._deaths} {who} in a row died of {what}, the last one: {why}"
        if self._is_recorder:
            self.end_recording(text)
        else:
            self._end(text)

    def _hear_of_state(self, keeps_state: bool) -> None:
        """Learn whether a successor could go on; from the first state that cannot be given on, it is too late."""
        if self._keeps_state and not keeps_state and self._given_up_to:
            self._rebuild = None
        self._keeps_state = keeps_state

    @property
    def _given_up_to(self) -> int:
        """The number of the last that was let go."""
        return self._given[0].id - 1 if self._given else self._last

    def _take_flag(self, flow: Flow, producer: str) -> None:
        counted = len(flow) if is_counted(flow, producer) else 0
        self.entries[producer].arrive(counted)
        if self.is_sink and not self.takes_flows:
            self.entries[producer].post(Account.FILTERED, counted)
            return
        flow = self.floor.custody.shelved(flow)
        given = self._queue(flow, producer, 0, is_flag=True)
        if kind_of(flow) is Kind.START and self._start is None:
            self._start = given

    def _queue(self, flow: Flow, producer: str, nbytes: int, *, is_flag: bool) -> _Given:
        self._last += 1
        given = _Given(self._last, producer, flow, nbytes, is_flag)
        self._given.append(given)
        self._unfolded_bytes += nbytes
        return given

    def _send(self) -> None:
        peer = self._peer
        if peer is None or self.is_held or self._sent == self._last:
            return
        first = self._sent + 1 - self._given[0].id
        for given in islice(self._given, first, None):
            if not peer.has_unsent:
                if isinstance(given.flow, ResultRange) and given.flow.values is None:
                    numbers = encode_integers(given.flow.numbers, is_ascending=False)
                    peer.say(wire.NoResults(given.id, given.producer, numbers))
                    self._sent = given.id
                    continue
                descriptor = self.describe(given.flow, peer)
                if given.is_flag and not self.is_sink:
                    peer.say(wire.Flag(given.id, descriptor))
                else:
                    peer.say(wire.Give(given.id, given.producer, descriptor))
                self._sent = given.id

    def _at(self, number: int) -> _Given | None:
        """Return what was given under a number, if it is not safe yet."""
        at = number - self._given[0].id if self._given else -1
        return self._given[at] if 0 <= at < len(self._given) else None

    def _fold(self, folded: wire.Folded, now: int) -> None:
        given = self._at(folded.id)
        if given is None:
            return
        is_first = given.accounts is None
        given.accounts = folded.accounts
        if not is_first:
            return  # a sink that chooses has taken it before, and now knows
        self._folded = max(self._folded, folded.id)
        self._unfolded_bytes -= given.nbytes
        if given.is_booked:
            return
        arrived_ns = getattr(given.flow, "arrived_ns", 0)
        if arrived_ns:
            self.latency.add((folded.folded_ns or now) - arrived_ns, len(given.flow))
        if folded.notes and self._is_recorder:
            self._note_dropped(folded.notes, self.entries[given.producer])
        elif folded.notes:
            self.note(folded.notes, self.entries[given.producer], Account.FAILED)

    def _save(self, number: int) -> None:
        """Book what is safe and let go of it; what is needed to fold everything again is kept apart."""
        while self._given and self._given[0].id <= number:
            given = self._given.popleft()
            if given.id > self._folded:  # a predecessor folded it and died before it could say so
                self._folded = given.id
                self._unfolded_bytes -= given.nbytes
            if not given.is_booked and given.producer in self.entries:
                entry = self.entries[given.producer]
                for account, count in _ended(given):
                    entry.post(ACCOUNTS[account], count)
            if not self._keeps_state:
                self._keep_for_rebuild(given)
        self._sent = max(self._sent, self._folded)

    def _keep_for_rebuild(self, given: _Given) -> None:
        if self._rebuild is None:
            return
        given.is_booked = True
        is_small = given.is_flag or (isinstance(given.flow, ResultRange) and _is_small(given.flow))
        self._rebuild_bytes += given.nbytes
        if not is_small or self._rebuild_bytes > REBUILD_BYTES:
            self._rebuild = None
        else:
            if isinstance(given.flow, ResultRange):  # it is safe, and only kept to be folded again
                given.flow = replace(given.flow, origins=())
            self._rebuild.append(given)

    def _note_dropped(self, notes: Iterable[wire.Note], entry: Entry) -> None:
        """Say at once that a recording has ended, while the run goes on."""
        for note in notes:
            entry.remark(Account.DROPPED.label, note.cause)
            self.floor.state.mark(Outcome.FAILED, f"{self.name}: {note.cause}")

    def _end(self, text: str) -> None:
        self._is_lost = self._is_stopped = True
        self.floor.state.mark(Outcome.FAILED, text)
        self.floor.fail(text)


def _nbytes(flow: Flow) -> int:
    if isinstance(flow, ResultRange):
        return flow.values.nbytes if isinstance(flow.values, FarResults) else 0
    return 0  # it lies in slots, which are bounded


def _is_small(results: ResultRange) -> bool:
    return isinstance(results.values, FarResults) and results.values.is_small


def _ended(given: _Given) -> tuple[tuple[int, int], ...]:
    """Say how what is safe ended; done, where a reducer published it and died before it could say more."""
    if given.accounts is not None:
        return given.accounts
    return ((int(Account.DONE), _counted(given) if given.is_flag else len(given.flow)),)


def _counted(given: _Given) -> int:
    return len(given.flow) if is_counted(given.flow, given.producer) else 0
