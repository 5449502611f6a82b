"""A stage or sink as the event builder sees it: what goes to its processes, what comes back, and its books."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core import Account, Block, EventBatch, Ledger
from penstock.core.event_log import EventLog
from penstock.core.ledger import Entry
from penstock.core.result_range import ResultRange
from penstock.core.run import Outcome, RunState
from penstock.monitor.latency import Latency
from penstock.services.custody import Custody
from penstock.services.far_results import picked
from penstock.services.flow import Flow, Outlet
from penstock.services.line import SlotName
from penstock.services.notes import failure_of
from penstock.services.peer import Peer
from penstock.services.user_calls import KEPT_DEAD_LETTERS, KEPT_FAILURES, Failure
from penstock.wire.descriptors import describe_block, describe_events
from penstock.wire.envelopes import FlowDescriptor, Note
from penstock.wire.events import split_events

__all__ = ["ON_REQUEST", "Floor", "RemoteStage", "small_flows"]

ON_REQUEST = "discarded on request"
MOST_ROWS = 16_384
"""Results that one envelope picks at most, so that it fits a message."""
EVERYTHING = 1 << 62
NOTHING = -(1 << 62)


@dataclass(slots=True, kw_only=True)
class Floor:
    """What all rooms of one run share."""

    custody: Custody
    ledger: Ledger
    state: RunState
    kill: Callable[[str, str], None]
    """Has a process killed that hangs, and says why."""
    changed: Callable[[str, int], None]
    """Tells that a reducer's views have changed."""
    fail: Callable[[str], None]
    """Ends the run, with a reason."""
    log: EventLog | None = None
    failures: deque[Failure] = field(default_factory=lambda: deque(maxlen=KEPT_FAILURES))
    dead_letters: deque[Failure] = field(default_factory=lambda: deque(maxlen=KEPT_DEAD_LETTERS))

    def note(self, note: Note | None) -> None:
        """Keep what user code raised outside of any event."""
        if note is not None:
            self.failures.append(failure_of(note))


class RemoteStage(ABC):
    """The way in and out of a stage whose user code runs elsewhere.

    Parameters
    ----------
    name
        Of the stage or sink.
    producers
        (lane, producer)
    """

    def __init__(self, name: str, producers: Sequence[tuple[str, str]], floor: Floor, deadline_s: float) -> None:
        self.name = name
        self.outlet = Outlet(name)
        self.floor = floor
        self.peers: dict[str, Peer] = {}
        self.latency = Latency()
        self.entries: dict[str, Entry] = {}
        self.renumbers = False
        """Whether what it gives is not one for one of what it gets, and has numbers of its own."""
        self.next_number = 0
        """Then: above the numbers of everything it has given."""
        self.limit = EVERYTHING
        """Events from this number on are not let past: user code failed there."""
        for _, producer in producers:
            self.entries[producer] = floor.ledger.entry(producer, name)
        self.is_held = False
        """Whether nothing is given to its processes until it is released."""
        self._open = set(self.entries)
        self._deadline_ns = round(deadline_s * 1e9)
        self._seen: dict[str, tuple[tuple[int, int, int], int]] = {}

    @abstractmethod
    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Take custody of a flow from one of the stage's inputs."""

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended."""
        self._open.discard(producer)

    @abstractmethod
    def enter(self, peer: Peer, now: int) -> None:
        """Let a process that is ready take part."""

    @abstractmethod
    def hear(self, peer: Peer, envelope: Any, now: int) -> None:  # one of Envelope
        """Take what a process said."""

    @abstractmethod
    def lose(self, peer: Peer, why: str, now: int, *, is_replaced: bool = True) -> None:
        """Take back what a dead process had.

        Parameters
        ----------
        is_replaced
            Whether another one follows.
        """

    @abstractmethod
    def advance(self, now: int) -> None:
        """Give out what can be given out."""

    @abstractmethod
    def discard(self, now: int) -> int:
        """Give up what was given to no process; return how many items that were."""

    def can_renew(self, peer: Peer) -> bool:
        """Whether nothing is lost if another process takes the place of one."""
        return peer.keeps_state

    @property
    def holds(self) -> bool:
        """Whether something may come of what it was given when its inputs are closed, and only then."""
        return False

    def left(self, now: int) -> Sequence[Peer]:
        """Return processes that were to leave and have nothing more; they take part no more."""
        return ()

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether everything that was taken is done."""

    @property
    def is_settled(self) -> bool:
        """Whether what may still be brought out after a failure is done."""
        return self.is_idle

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be made for it now."""
        return False

    @abstractmethod
    def is_busy(self, peer: Peer) -> bool:
        """Whether a process has something that it should get on with."""

    def stop_at(self, event: int | None) -> None:
        """Let nothing past from an event on."""
        self.limit = min(self.limit, NOTHING if event is None else event)

    def watch(self, now: int) -> None:
        """Have processes killed that have something to do and do not get on with it."""
        for name, peer in self.peers.items():
            if not self.is_busy(peer):
                self._seen.pop(name, None)
                continue
            state = peer.progress.state
            before, since = self._seen.get(name, (None, now))
            self._seen[name] = (state, since if state == before else now)
            if state == before and now - since > self._deadline_ns:
                self._seen[name] = (state, now)
                self.floor.kill(name, f"{name} got on with nothing for {self._deadline_ns / 1e9:g} s")

    def describe(self, flow: Flow, peer: Peer) -> FlowDescriptor:
        """Return the descriptor of a flow, after making sure that a process knows what it speaks of."""
        if isinstance(flow, Block):
            return describe_block(flow.stream, self.floor.custody.place(flow), slice(0, len(flow)))
        if isinstance(flow, EventBatch):
            return describe_events(flow, self.floor.custody.place)
        found, pieces = picked(flow)
        peer.tell_pieces(pieces)
        return found

    def keep(self, peer: Peer, kept: Iterable[SlotName], let_go: Iterable[SlotName]) -> None:
        """Leave slots lent of which a process's user code holds views."""
        for name in kept:
            peer.kept[name] = self.floor.custody.hold(name)
        for name in let_go:
            peer.kept.pop(name, None)

    def note(self, notes: Iterable[Note], entry: Entry | None = None, account: Account | None = None) -> None:
        """Keep what user code raised, where people look for it."""
        for each in notes:
            failure = failure_of(each)
            self.floor.failures.append(failure)
            if account is Account.DEAD_LETTERED:
                self.floor.dead_letters.append(failure)
            if entry is not None and account is not None:
                entry.remark(account.label, f"event {failure.event}: {failure.cause}")

    def fail(self, text: str, event: int | None, notes: Iterable[Note]) -> None:
        """End the run: user code raised."""
        self.stop_at(event)
        self.note(notes)
        self.floor.state.mark(Outcome.FAILED, text)
        self.floor.fail(text)


def small_flows(flow: Flow) -> Collection[Flow]:
    """Return a flow in pieces each of which fits a message."""
    if isinstance(flow, EventBatch):
        return split_events(flow)
    if isinstance(flow, ResultRange) and len(flow) > MOST_ROWS:
        return [flow.take(slice(at, min(at + MOST_ROWS, len(flow)))) for at in range(0, len(flow), MOST_ROWS)]
    return [flow]
