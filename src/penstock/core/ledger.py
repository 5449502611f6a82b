"""The ledger: every arrived message ends in exactly one account, for each of its consumers.

The ledger only counts. It holds no message and knows no clock; whoever has custody posts to it.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["ACCOUNTS", "Account", "Counter", "Entry", "Ledger", "LedgerRow", "Remark"]


class Account(IntEnum):
    """Where a message, or an event, ended."""

    DONE = 0
    """Processed."""
    JOINED = 1
    """Became part of an event; from there on the event is the unit."""
    FILTERED = 2
    """Left out on purpose by a step, a ``where``, or because it carries nothing (a heartbeat)."""
    DISCARDED = 3
    """Thrown away because the trigger map says so, or has no place for it."""
    FAILED = 4
    """User code raised, or what was needed for it was lost."""
    INCOMPLETE = 5
    """The rest of its event never came and the join drops such events."""
    LATE = 6
    """Its event had gone, or it belongs to an earlier scan."""
    DUPLICATE = 7
    """The same number came before."""
    UNPARSABLE = 8
    """Its bytes break the protocol."""
    DROPPED = 9
    """Given up by a declared policy: a full queue, or a held value that was replaced unused."""
    DEAD_LETTERED = 10
    """Set aside with its cause."""
    ABORTED = 11
    """Under way when the run was stopped."""

    @property
    def label(self) -> str:
        """The name as people read it."""
        return self.name.lower().replace("_", "-")


ACCOUNTS = tuple(Account)
"""By number; to ask the class for one takes as long as to post to it."""


LedgerRow = tuple[str, str, int, tuple[int, ...]]
"""Of one edge: producer, consumer, what arrived, and how much of it ended in each account, in their order."""


class Counter(IntEnum):
    """What can be said of a stream besides its messages' accounts."""

    GAPS = 0
    """Messages that the instrument numbered and that never arrived."""
    REORDERED = 1
    """Messages that arrived after one with a higher number."""
    RESTARTS = 2
    """Times the instrument's numbering began again within a run."""
    DOUBLED = 3
    """Messages whose number had come before, and that went on all the same because no join looks at numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One of the last few things worth naming about an edge."""

    what: str
    """An account's or counter's label."""
    count: int
    detail: str


class Entry:
    """The books of one edge: one consumer of one stream, of one join's events, or of one stage's results."""

    __slots__ = ("_accounts", "_arrived", "_counters", "_ended", "consumer", "producer", "remarks")

    def __init__(self, producer: str, consumer: str) -> None:
        self.producer = producer
        self.consumer = consumer
        self._arrived = self._ended = 0
        self._accounts = [0] * len(Account)
        self._counters = [0] * len(Counter)
        self.remarks: deque[Remark] = deque(maxlen=20)

    @property
    def arrived(self) -> int:
        """How many came in."""
        return self._arrived

    @property
    def accounts(self) -> tuple[int, ...]:
        """All accounts, in the order of ``Account``."""
        return tuple(self._accounts)

    @property
    def ended(self) -> int:
        """How many are in an account: the sum of all."""
        return self._ended

    @property
    def in_flight(self) -> int:
        """How many came in and have not ended."""
        return self._arrived - self._ended

    def arrive(self, count: int) -> None:
        """Count what came in."""
        self._arrived += count

    def post(self, account: Account, count: int, detail: str = "") -> None:
        """Count what ended.

        Raises
        ------
        ValueError
            If more would end than came in: somebody accounts for the same message twice.
        """
        if count > self._arrived - self._ended:
            raise ValueError(
                f"{self.producer} → {self.consumer}: {count} {account.label}, but only {self.in_flight} in flight"
            )
        self._accounts[account] += count
        self._ended += count
        if detail and count:
            self.remarks.append(Remark(what=account.label, count=count, detail=detail))

    def note(self, counter: Counter, count: int, detail: str = "") -> None:
        """Count what did not arrive, or arrived in another order."""
        self._counters[counter] += count
        if detail and count:
            self.remarks.append(Remark(what=counter.name.lower(), count=count, detail=detail))

    def remark(self, what: str, detail: str) -> None:
        """Name something that is in no account and no counter."""
        self.remarks.append(Remark(what=what, count=1, detail=detail))

    def __getitem__(self, account: Account) -> int:
        return self._accounts[account]

    def counter(self, counter: Counter) -> int:
        """Return one counter."""
        return self._counters[counter]


class Ledger:
    """All entries of a run, in the order in which they were opened."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], Entry] = {}

    def entry(self, producer: str, consumer: str) -> Entry:
        """Return the books of one edge, opened at the first call."""
        return self._entries.setdefault((producer, consumer), Entry(producer, consumer))

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def rows(self) -> tuple[LedgerRow, ...]:
        """Return the books of all edges as plain values."""
        return tuple((entry.producer, entry.consumer, entry.arrived, entry.accounts) for entry in self)

    @property
    def in_flight(self) -> int:
        """What has not ended, over all edges."""
        return sum(entry.in_flight for entry in self)

    def total(self, account: Account) -> int:
        """Return one account, over all edges."""
        return sum(entry[account] for entry in self)
