"""Gathers messages of any number of threads into batches and stores them on one thread of its own.

A batch is stored when it has 1 MB or 4096 messages, when its first message is 2 ms old, sooner where few come, or at
once when somebody waits for it. To a store that is some time away several are sent before the first is answered; what
comes meanwhile is gathered, also if somebody waits for it. Every message that was taken ends in exactly one outcome,
whatever fails.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from threading import Condition, Lock, Thread
from time import monotonic
from typing import Any, Final, Literal

import msgspec

from penstock.core.block_builder import BIG_BYTES, MAX_BYTES, MAX_MESSAGES
from penstock.core.encoding import Encoding
from penstock.errors import BusyError, PenstockError, StateError, StreamError
from penstock.streams.lane import Lane, Special, failure
from penstock.streams.receipts import STORED, Batch, Outcome, OutcomeKind, Receipt, again, done, wake
from penstock.streams.sendable import LARGEST
from penstock.streams.steps import Steps
from penstock.streams.store import Store

__all__ = ["SendCounts", "Sending", "SentLevel"]

SentLevel = Literal["written", "synced"]
"""When a message counts as stored: when readers see it and no killed process can lose it, or when it would survive a
loss of power, too."""
MAX_S: Final = 0.002
FEW: Final = 8
FEW_S: Final = 0.000_25
"""How long a message waits for others where fewer than ``FEW`` were gathered before it: up to 4000 a second gathering
saves little, and readers are told so much sooner. From 32 000 a second on, 2 ms are waited again."""
MOST_ON_WAY: Final = 8
"""Batches that are sent and not answered: 8 MB, which fills 10 GB/s where an answer takes 1 ms."""
MOST_FAILED: Final = 64
"""Batches with failures that are remembered until somebody flushes."""


class SendCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all messages of a producer."""

    stored: int
    duplicates: int
    conflicts: int
    failed: int
    open: int
    """Those without an outcome yet."""


class Sending:
    """The way of messages to a store; may be used from several threads.

    Parameters
    ----------
    store
        Where to; it stays open.
    level
        When a message counts as stored.
    most_open, most_open_bytes
        How many messages may be without an outcome, and how many bytes of payload; one message always may.
    """

    def __init__(self, store: Store, *, level: SentLevel, most_open: int, most_open_bytes: int) -> None:
        if level == "synced" and not store.can_sync:
            raise StreamError(f"nothing in a {type(store).__name__} survives a loss of power; ask for level 'written'")
        self._store = store
        self._is_synced = level == "synced"
        self._most_open = most_open
        self._most_open_bytes = most_open_bytes
        self._mutex = Lock()
        self.lock = Condition(self._mutex)
        """Held to look at batches; who waits on it is told when some are done."""
        self._work = Condition(self._mutex)
        self._gathering: dict[Lane, Batch] = {}  # in the order in which they began
        self._queue: list[Batch] = []
        self._on_way = 0
        self._refused: list[tuple[Batch, PenstockError]] = []  # those that were on their way
        self._outstanding: dict[Batch, None] = {}
        self._open = self._open_bytes = 0
        self._room_callbacks: list[Callable[[], None]] = []
        self._failed: deque[Batch] = deque()
        self._forgotten = 0
        self._counts = dict.fromkeys(OutcomeKind, 0)
        self.gather_s = FEW_S
        """How long the first message of a batch waits for others."""
        self._thread: Thread | None = None
        self._is_closed = False
        self._stops = False

    @property
    def counts(self) -> SendCounts:
        """What became of the messages so far."""
        with self._mutex:
            counts = self._counts
            return SendCounts(
                stored=counts[OutcomeKind.STORED],
                duplicates=counts[OutcomeKind.DUPLICATE],
                conflicts=counts[OutcomeKind.CONFLICT],
                failed=counts[OutcomeKind.FAILED],
                open=self._open,
            )

    def put(
        self,
        lane: Lane,
        kept: Any,
        size: int,
        *,
        id: int | None,  # noqa: A002  # as callers write it
        key: int | None,
        timestamp_ns: int,
        is_timed: bool,
        metadata: Mapping[str, Any] | None,
        encodings: tuple[Encoding | None, ...],
    ) -> Receipt | None:
        """Take a message; ``None`` if there is no room for it now.

        Raises
        ------
        StateError
            If the stream was ended by this producer, or this was closed.
        StreamError
            If no larger id is left.
        """
        with self._mutex:
            if not self._has_room(size):
                return None
            if id is None:
                id = lane.last_id + 1  # noqa: A001
                if id > LARGEST:
                    raise StreamError(f"{lane.address}: there is no id after {LARGEST}")
            batch = lane.batch
            if (
                batch is None
                or batch.is_keyed is (key is None)
                or batch.nbytes + size > MAX_BYTES
                or size >= BIG_BYTES
                or batch.encodings != encodings
            ):
                batch = self._begin(lane, is_keyed=key is not None, encodings=encodings)
            if id > lane.last_id:
                lane.last_id = id
            elif batch.ids and id <= batch.ids[-1]:
                batch.is_ascending = False
            row = batch.count
            batch.count = row + 1
            batch.nbytes += size
            batch.ids.append(id)
            batch.data.append(kept)
            batch.times.append(timestamp_ns)
            batch.metadata.append(metadata)
            if key is not None:
                batch.keys.append(key)
            if is_timed:
                batch.timed.add(row)
            self._open += 1
            self._open_bytes += size
            if batch.count >= MAX_MESSAGES or size >= BIG_BYTES or batch.nbytes >= MAX_BYTES:
                self._cut(batch, lane)
            return Receipt(id, batch, row)

    def hurry(self, batch: Batch) -> None:
        """Store a batch now, or when one that is on its way is answered; called under ``lock``."""
        batch.is_hurried = True
        if self._on_way:  # many may wait, each for a message of its own
            return
        for lane, gathering in self._gathering.items():
            if gathering is batch:
                self._cut(batch, lane)
                return

    def room(self, size: int, timeout_s: float | None) -> Steps[None]:
        """Wait until there may be room for a message of some bytes.

        Raises
        ------
        BusyError
            If there is none in time.
        """
        if not (yield _Room(self, size, timeout_s)):
            raise BusyError(
                f"{self._open} messages of {self._open_bytes} bytes are on their way; "
                f"at most {self._most_open}, or {self._most_open_bytes} bytes, may be"
            )

    def flush(self, lane: Lane | None = None) -> Steps[None]:
        """Wait until everything sent so far has its outcome.

        Raises
        ------
        StreamError
            If messages were not stored whose outcome nobody has looked at; the text counts them.
        """
        with self._mutex:
            self._cut_all()
            batches = [batch for batch in self._outstanding if lane is None or batch.address == lane.address]
        yield _Done(self, batches)
        self._raise_untold()

    def forbid(self, lane: Lane, why: str) -> None:
        """Take no more messages for a stream; an empty reason allows it again."""
        with self._mutex:
            lane.ended = why

    def stop(self) -> None:
        """Store what is there, and take nothing more; returns when the thread has ended."""
        with self._mutex:
            self._is_closed = True
            self._cut_all()
            self._stops = True
            self._work.notify()
        if self._thread is not None:
            self._thread.join()

    def _raise_untold(self) -> None:
        with self._mutex:
            untold = [(batch, row) for batch in self._failed for row in sorted(batch.unseen)]
            number, self._forgotten = len(untold) + self._forgotten, 0
            self._failed.clear()
            errors = [batch.outcome_of(row).error for batch, row in untold]
        first = next((error for error in errors if error is not None), None)
        if first is None:
            return
        if number == 1:
            raise again(first)
        error = again(first)
        error.add_note(f"{number} messages were not stored; this is the first of them")
        raise error

    def _begin(self, lane: Lane, *, is_keyed: bool, encodings: tuple[Encoding | None, ...]) -> Batch:
        if self._is_closed:
            raise StateError("the producer is closed")
        if lane.ended:
            raise StateError(f"{lane.address} was {lane.ended} by this producer; write another stream")
        if lane.batch is not None:
            self._cut(lane.batch, lane)
        batch = Batch(self, lane, is_keyed=is_keyed, encodings=encodings, opened_s=monotonic())
        lane.batch = batch
        self._gathering[lane] = batch
        self._outstanding[batch] = None
        if self._thread is None:
            self._thread = Thread(target=self._run, name="penstock producer", daemon=True)
            self._thread.start()
        elif len(self._gathering) == 1:
            self._work.notify()
        return batch

    def _cut(self, batch: Batch, lane: Lane) -> None:
        if lane.batch is batch and batch.count:
            lane.batch = None
            del self._gathering[lane]
            self._queue.append(batch)
            self._work.notify()

    def _cut_all(self) -> None:
        for lane, batch in list(self._gathering.items()):
            self._cut(batch, lane)

    def _run(self) -> None:
        while True:
            with self._mutex:
                batches = self._next_batches()
            if not batches and not self._refused:
                return
            self._settle_refused()
            if self._is_synced:
                self._settle_synced(batches)
            else:
                for batch in batches:
                    self._send(batch)

    def _next_batches(self) -> list[Batch]:
        """Wait for batches; none if some were refused, or there will be no more. Called under the lock."""
        while not self._queue and not self._refused:
            if self._stops and not self._on_way:
                return []
            left_s = None
            for lane, batch in self._gathering.items():
                left_s = self._left_s(batch)
                if left_s is not None and left_s <= 0:
                    self._cut(batch, lane)
                break
            if not self._queue:
                self._work.wait(left_s)
        batches, self._queue = self._queue, []
        if batches:
            self.gather_s = FEW_S if sum(batch.count for batch in batches) < FEW else MAX_S
        return batches

    def _left_s(self, batch: Batch) -> float | None:
        """Return how long a batch may still wait for more messages; ``None``: until others are answered."""
        if self._on_way >= MOST_ON_WAY:
            return None
        if self._on_way:
            return batch.opened_s + MAX_S - monotonic()
        return 0 if batch.is_hurried else batch.opened_s + self.gather_s - monotonic()

    def _send(self, batch: Batch) -> None:
        """Send a batch on its way, or store it."""
        with self._mutex:
            self._work.wait_for(lambda: self._on_way < MOST_ON_WAY)
            self._on_way += 1  # before it is sent, as the answer may be quicker than this thread
        if batch.lane.send(batch, partial(self._answered, batch)):
            return
        with self._mutex:
            self._on_way -= 1
            self._work.wait_for(lambda: not self._on_way)
        self._settle_refused()
        self._settle(batch, _outcomes(batch, batch.lane.store))

    def _answered(self, batch: Batch, error: PenstockError | None) -> None:
        """Take what became of a batch on its way; in a thread that must not be kept."""
        if error is None:
            self._settle(batch, {})
        with self._mutex:
            self._on_way -= 1
            if error is not None:
                self._refused.append((batch, error))
            self._work.notify()

    def _settle_refused(self) -> None:
        with self._mutex:
            refused, self._refused = self._refused, []
        for batch, error in refused:
            self._settle(batch, _outcomes(batch, partial(batch.lane.failed, error=error)))

    def _settle_synced(self, batches: list[Batch]) -> None:
        """Store several batches and sync them at once."""
        found = [(batch, _outcomes(batch, batch.lane.store)) for batch in batches]
        for lane in {batch.lane for batch in batches}:
            try:
                lane.writer.sync()
            except Exception as error:  # noqa: BLE001  # every receipt must end, and with the reason
                outcome = failure(error)
                for batch, special in found:
                    if batch.lane is lane:
                        stored = (row for row in range(batch.count) if special.get(row, STORED).kind is STORED.kind)
                        special.update(dict.fromkeys(stored, outcome))
        for batch, special in found:
            self._settle(batch, special)

    def _settle(self, batch: Batch, special: Special) -> None:
        with self._mutex:
            batch.special = special
            batch.unseen = {row for row, outcome in special.items() if not outcome.is_safe}
            self._count(batch, special.values())
            if batch.unseen:
                self._failed.append(batch)
                if len(self._failed) > MOST_FAILED:
                    self._forgotten += len(self._failed.popleft().unseen)
            self._open -= batch.count
            self._open_bytes -= batch.nbytes
            callbacks = [*batch.callbacks, *self._room_callbacks]
            batch.callbacks, self._room_callbacks = [], []
            del self._outstanding[batch]
            batch.finish()
            self.lock.notify_all()
        for callback in callbacks:
            callback()

    def _count(self, batch: Batch, special: Iterable[Outcome]) -> None:
        counts = self._counts
        counts[OutcomeKind.STORED] += batch.count
        for outcome in special:
            counts[OutcomeKind.STORED] -= 1
            counts[outcome.kind] += 1

    def _has_room(self, size: int) -> bool:
        # When this is closed there is nothing to wait for: whoever sends is told so.
        return (
            not self._open
            or (self._open < self._most_open and self._open_bytes + size <= self._most_open_bytes)
            or self._is_closed
        )

    def wait_for_room(self, size: int, timeout_s: float | None) -> bool:
        """Wait until there is room; return whether there is."""
        with self.lock:
            self._cut_all()
            return self.lock.wait_for(lambda: self._has_room(size), timeout_s)

    def tell_room(self, size: int, callback: Callable[[], None]) -> bool:
        """Return whether there is room; if not, make a call when there may be."""
        with self._mutex:
            self._cut_all()
            if not self._has_room(size):
                self._room_callbacks.append(callback)
                return False
            return True


class _Room:
    def __init__(self, sending: Sending, size: int, timeout_s: float | None) -> None:
        self._sending = sending
        self._size = size
        self._timeout_s = timeout_s

    def block(self) -> bool:
        return self._sending.wait_for_room(self._size, self._timeout_s)

    async def wait(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                loop = asyncio.get_running_loop()
                while True:
                    future: asyncio.Future[None] = loop.create_future()
                    if self._sending.tell_room(self._size, partial(wake, loop, future)):
                        return True
                    await future
        return False


class _Done:
    def __init__(self, sending: Sending, batches: list[Batch]) -> None:
        self._sending = sending
        self._batches = batches

    def block(self) -> None:
        with self._sending.lock:
            self._sending.lock.wait_for(lambda: all(batch.is_done for batch in self._batches))

    async def wait(self) -> None:
        for batch in self._batches:
            await done(batch)


def _outcomes(batch: Batch, store: Callable[[Batch], Special]) -> Special:
    try:
        return store(batch)
    except Exception as error:  # noqa: BLE001  # the thread's outermost edge: every receipt must end, and with the reason
        return dict.fromkeys(range(batch.count), failure(error))
