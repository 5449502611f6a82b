"""What became of each message that was sent: receipts, which share what happened to the batch they were sent in."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import suppress
from enum import StrEnum
from functools import partial
from threading import Condition
from typing import Any, Final, Protocol

import msgspec

from penstock.core.encoding import Encoding
from penstock.core.stream_address import StreamAddress
from penstock.errors import NoDataError, PenstockError, StreamError

__all__ = ["STORED", "Batch", "BatchOwner", "Outcome", "OutcomeKind", "Receipt", "again", "done", "wake"]


class OutcomeKind(StrEnum):
    """How it ended for a message; one of these, and for good."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """The same message was there already; nothing was changed."""
    CONFLICT = "conflict"
    """Another message has this id already; nothing was changed."""
    FAILED = "failed"
    """It was not stored; the reason says why."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a message."""

    kind: OutcomeKind
    reason: str = ""
    """Empty for what is stored."""
    error: PenstockError | None = None
    """What ``Receipt.wait`` raises, for a conflict or a failure."""

    @property
    def is_safe(self) -> bool:
        """Whether the message is in the stream."""
        return self.error is None


STORED: Final = Outcome(kind=OutcomeKind.STORED)


class BatchOwner(Protocol):
    """Whoever stores batches."""

    lock: Condition
    """Held to look at a batch or change it; waited on until a batch is done."""

    def hurry(self, batch: "Batch") -> None:
        """Store it as soon as can be; called under ``lock``."""


class Batch:
    """Messages of one stream that were sent one after the other, in lists, until they are stored."""

    __slots__ = (
        "callbacks",
        "count",
        "data",
        "encodings",
        "ids",
        "is_ascending",
        "is_done",
        "is_hurried",
        "is_keyed",
        "keys",
        "lane",
        "metadata",
        "nbytes",
        "opened_s",
        "outcome",
        "owner",
        "special",
        "timed",
        "times",
        "unseen",
    )

    def __init__(
        self,
        owner: BatchOwner,
        lane: Any,  # Any: a Lane, which is built on this
        *,
        is_keyed: bool,
        encodings: tuple[Encoding | None, ...],
        opened_s: float,
    ) -> None:
        self.owner = owner
        self.lane = lane
        self.is_keyed = is_keyed
        self.encodings = encodings
        self.opened_s = opened_s
        self.count = 0
        self.nbytes = 0
        self.is_ascending = True
        """Whether each id is larger than the one before."""
        self.ids: list[int] = []
        self.keys: list[int] = []
        self.times: list[int] = []
        self.data: list[Any] = []  # bytes, an array, a tuple of arrays, or None
        self.metadata: list[Any] = []  # a mapping or None
        self.timed: set[int] = set()
        """Rows whose timestamp the caller gave; of the others it says nothing about the message."""
        self.outcome: Outcome = STORED
        """Of all rows that are not in ``special``."""
        self.special: dict[int, Outcome] = {}
        self.unseen: set[int] = set()
        """Rows that were not stored, which nobody has been told."""
        self.is_hurried = False
        """Whether somebody waits for it."""
        self.is_done = False
        self.callbacks: list[Callable[[], None]] = []

    @property
    def address(self) -> StreamAddress:
        """The stream's."""
        address: StreamAddress = self.lane.address
        return address

    def outcome_of(self, row: int) -> Outcome:
        """Return what became of a row, once it is done; it counts as told."""
        self.unseen.discard(row)
        return self.special.get(row, self.outcome)

    def finish(self) -> None:
        """Be done, and let go of the messages; called under the owner's lock."""
        self.is_done = True
        self.ids = self.keys = self.times = self.data = self.metadata = []
        self.timed = set()


class Receipt(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What ``send`` returns at once; it ends in exactly one outcome.

    It may be awaited, or waited for by any thread.
    """

    id: int
    """The message's, also if it was given automatically."""
    _batch: Batch
    _row: int

    @property
    def address(self) -> StreamAddress:
        """The stream it was sent to."""
        return self._batch.address

    @property
    def done(self) -> bool:
        """Whether there is an outcome."""
        return self._batch.is_done

    @property
    def outcome(self) -> Outcome | None:
        """What became of the message; ``None`` while nobody knows."""
        return self._batch.outcome_of(self._row) if self._batch.is_done else None

    def wait(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the outcome, and return it if the message is in the stream; what was gathered is stored at once.

        Raises
        ------
        ConflictError
            If another message has this id.
        StreamError
            Whatever kept it from being stored.
        NoDataError
            If there is no outcome in time; it will come nevertheless.
        """
        batch = self._batch
        if not batch.is_done:
            with batch.owner.lock:
                batch.owner.hurry(batch)
                if not batch.owner.lock.wait_for(lambda: batch.is_done, timeout_s):
                    raise NoDataError(f"{batch.address}: message {self.id} was not stored within {timeout_s} s, so far")
        return self._settled()

    def __await__(self) -> Generator[Any, None, Outcome]:
        batch = self._batch
        if not batch.is_done:
            yield from done(batch).__await__()
        return self._settled()

    def _settled(self) -> Outcome:
        outcome = self._batch.outcome_of(self._row)
        if outcome.error is not None:
            raise again(outcome.error)
        return outcome


async def done(batch: Batch) -> None:
    """Wait until a batch is done, which is stored at once."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    with batch.owner.lock:
        batch.owner.hurry(batch)
        if batch.is_done:
            return
        batch.callbacks.append(partial(wake, loop, future))
    await future


def again(error: PenstockError) -> PenstockError:
    """Return an error that can be raised although many share the one that happened, which is its cause."""
    try:
        fresh = type(error)(str(error))
    except TypeError:  # of one that needs more than a text
        fresh = StreamError(str(error))
    fresh.__cause__ = error
    return fresh


def wake(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[None]") -> None:
    """Let somebody go on who awaits a future in another thread; nothing if that loop is gone."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(None))
