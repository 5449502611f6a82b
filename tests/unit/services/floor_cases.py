"""What the tests of remote stages share: a floor without processes, whose workers and reducers the test plays."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from penstock.core import Account, Block, EventBatch, Kind, Ledger
from penstock.core.result_range import ResultRange
from penstock.core.run import RunState
from penstock.services.custody import Custody
from penstock.services.far_results import picked
from penstock.services.flow import Flow, kind_of, numbers_of, with_values
from penstock.services.line import Line
from penstock.services.peer import Peer
from penstock.services.progress import Progress
from penstock.services.remote_stage import Floor, RemoteStage
from penstock.transport.seqpacket import Link
from penstock.wire import envelopes as wire
from penstock.wire.descriptors import ResultsDescriptor
from penstock.wire.results import pack_results
from tests.unit.services.custody_cases import Instrument, batch_of, plain_block

Told = tuple[str, int, Any]
"""(kind, number, value)"""


class Actor:
    """One process as a stage sees it, played by the test, which reads with a real line what was really said."""

    def __init__(self, name: str, of: str, role: str) -> None:
        near, far = Link.pair()
        self.peer = Peer(name, of, role, near, Progress.make(name))
        self.line = Line(far)
        self.said: list[Any] = []
        """What was said to it, and it has not acted on."""

    @property
    def name(self) -> str:
        """Of the process."""
        return self.peer.name

    def hear(self) -> list[Any]:
        """Take in what the stage has said; return all that is not acted on."""
        self.peer.flush()
        self.line.look()
        while (envelope := self.line.next(0)) is not None:
            self.said.append(envelope)
        return self.said

    def take(self, kind: type[Any]) -> list[Any]:
        """Return what was said of one kind, and leave the rest."""
        found = [each for each in self.hear() if isinstance(each, kind)]
        self.said = [each for each in self.said if not isinstance(each, kind)]
        return found

    def read(self, lease: wire.Lease | wire.Give) -> list[tuple[int, Any]]:
        """Return number and what it is of everything in a lease, as user code has it."""
        flow: Any = self.line.read(lease.flow)
        if isinstance(flow, ResultRange):
            return list(zip(flow.numbers.tolist(), flow.values or (), strict=True))
        if isinstance(flow, Block):
            return [(message.id, message) for message in flow.messages()]
        return [(event.number, event) for event in flow.events()]

    def close(self) -> None:
        """Close both ends."""
        self.peer.close()
        self.line.close()


class Collected:
    """A room that keeps what comes out of a stage, and may be full."""

    name = "collected"

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.flows: list[Flow] = []
        self.closed = 0
        self.is_full = False

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Note kind, number and value of everything."""
        self.flows.append(flow)
        self.told += tell(flow)

    def close(self, producer: str, now: int) -> None:
        """Note the end."""
        self.closed += 1

    @property
    def data(self) -> list[tuple[int, Any]]:
        """Number and value of all results."""
        return [(number, value) for kind, number, value in self.told if kind == "DATA"]


def tell(flow: Flow) -> list[Told]:
    """Say what a flow holds; of results only those that have a value."""
    if not isinstance(flow, ResultRange):
        return [(kind_of(flow).name, int(number), None) for number in numbers_of(flow)]
    found = with_values(flow)
    assert isinstance(found, ResultRange)
    if not len(found):
        return []
    described, pieces = picked(found)
    if isinstance(described, ResultsDescriptor):
        whole: Any = described.read(_no_slot).values
        return [("DATA", number, value) for number, value in zip(found.numbers.tolist(), whole, strict=True)]
    which = np.zeros(len(found), np.int64) if described.which is None else described.which.array()
    columns: list[Any] = [piece.results.read(_no_slot).values for piece in pieces]
    values = [columns[k][row] for k, row in zip(which.tolist(), described.rows.array().tolist(), strict=True)]
    return [("DATA", number, value) for number, value in zip(found.numbers.tolist(), values, strict=True)]


def _no_slot(*place: Any) -> Any:
    raise AssertionError(f"nothing of this lies in a slot: {place}")


class Hall:
    """A floor, an instrument whose blocks come in, and whoever works there."""

    def __init__(self, role: str = "map") -> None:
        self.role = role
        self.custody = Custody(self._shelf)
        self.ledger, self.state = Ledger(), RunState("r")
        self.killed: list[tuple[str, str]] = []
        self.changed: list[tuple[str, int]] = []
        self.failed: list[str] = []
        self.floor = Floor(
            custody=self.custody,
            ledger=self.ledger,
            state=self.state,
            kill=lambda name, why: self.killed.append((name, why)),
            changed=lambda stage, version: self.changed.append((stage, version)),
            fail=self.failed.append,
        )
        self.instrument = Instrument(self.custody, slots=64)
        self.out = Collected()
        self.actors: dict[str, Actor] = {}
        self.gone: list[Actor] = []
        self.now = 0
        self.next_number = 0
        self._shelves: list[tuple[wire.PoolMade, int]] = []

    stage: RemoteStage

    def use(self, stage: Any) -> None:
        """Let this stage be the one on the floor."""
        self.stage = stage
        stage.outlet.rooms.append(self.out)

    def enter(self, name: str, *, is_leaving: bool = False) -> Actor:
        """Let a process take part."""
        actor = Actor(name, self.stage.name, self.role)
        self.actors[name] = actor
        actor.peer.is_leaving = is_leaving
        actor.peer.is_ready = True
        actor.peer.tell_pool(self.instrument.made, self.instrument.pool.fd)
        for made, fd in self._shelves:
            actor.peer.tell_pool(made, fd)
        self.stage.enter(actor.peer, self.now)
        self.stage.advance(self.now)
        return actor

    def lose(self, actor: Actor, why: str = "killed by SIGKILL") -> None:
        """Let a process die."""
        del self.actors[actor.name]
        self.gone.append(actor)
        self.stage.lose(actor.peer, why, self.now)
        self.stage.advance(self.now)

    def events(self, n: int) -> EventBatch:
        """Return the next events, each with one message in a slot."""
        first, self.next_number = self.next_number, self.next_number + n
        return batch_of(self.instrument.give(plain_block(n, first + 1)), numbers=range(first, first + n))

    def flag(self, kind: Kind) -> EventBatch:
        """Return a start or an end of events."""
        return batch_of(self.instrument.give(plain_block(1, 900)), numbers=[0], kind=kind)

    def give(self, *flows: Flow, producer: str = "scan") -> None:
        """Let flows come in, and let the stage do what it can."""
        for flow in flows:
            self.stage.take(flow, producer, self.now)
        self.stage.advance(self.now)

    def books(self, producer: str = "scan") -> dict[str, int]:
        """Return all accounts that are not 0, and what is in flight."""
        entry = self.ledger.entry(producer, self.stage.name)
        accounts = {account.name.lower(): entry[account] for account in Account if entry[account]}
        return accounts | ({"in_flight": entry.in_flight} if entry.in_flight else {})

    def lent(self) -> int:
        """Return how many slots of the instrument are lent."""
        return self.custody.lent()["detector", 1]

    def close(self) -> None:
        """Let go of everything."""
        for actor in (*self.actors.values(), *self.gone):
            actor.close()
        self.custody.close()
        self.instrument.pool.close()

    def _shelf(self, made: wire.PoolMade, fd: int) -> None:
        self._shelves.append((made, fd))
        for actor in self.actors.values():
            actor.peer.tell_pool(made, fd)


@contextmanager
def closing(hall: Any) -> Iterator[Any]:
    """Close a hall at the end, also where one is made for each example."""
    try:
        yield hall
    finally:
        hall.close()


def value_of(number: int) -> str | None:
    """Return what user code makes of an event; nothing of every fifth."""
    return None if number % 5 == 4 else f"v{number}"


def part_of(lease: wire.Lease, numbers: Sequence[int], make: Callable[[int], Any] = value_of, **more: Any) -> wire.Part:
    """Return what a worker says of some rows of a lease."""
    values = [make(number) for number in numbers]
    there = [value is not None for value in values]
    (packed,) = pack_results(ResultRange(stage="fit", numbers=np.array(numbers, np.int64), values=values), 0)
    counts = {Account.DONE: sum(there), Account.FILTERED: len(there) - sum(there)}
    return wire.Part(
        lease.id,
        len(numbers),
        packed.descriptor() if any(there) else None,
        tuple((int(account), count) for account, count in counts.items() if count),
        None if all(there) else memoryview(np.packbits(there, bitorder="little").tobytes()),
        **more,
    )
