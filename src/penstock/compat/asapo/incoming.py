"""What producers send, on its way into the store: gathered by stream, each answered with what became of it.

Small messages of several connections become one block. What may take time (to open a stream, a large payload, to end a
stream) is done on a thread of a pool, one thing at a time for each stream. All else is called on the loop's thread.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.compat.asapo.jobs import Jobs
from penstock.compat.asapo.records import OWN, said_of, typed_array
from penstock.compat.asapo.refusals import fault
from penstock.compat.asapo.requests import LARGEST_ID
from penstock.compat.asapo.wire import Code
from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import BeamtimeError, ConflictError, PenstockError, StateError, StreamError
from penstock.streams.dataset import part_address, table_address
from penstock.streams.reading import ENDED
from penstock.streams.store import Store, StreamState, StreamWriter

__all__ = ["Ended", "Incoming", "Lane", "Outcome", "Sent"]

BIG_BYTES: Final = 128 << 10
"""A payload of this size goes by a thread, while others are received."""
GRACE_S: Final = 0.3
"""How long the end of a stream waits for messages that other connections of its producer may still begin to send."""
MOST_GRACE_S: Final = 60.0
"""The same for those that they are sending."""
AGAIN_S: Final = 0.05
IDLE_S: Final = 30.0
MOST_LANES: Final = 64
"""Streams that are open to be written though nobody does: each has four descriptors."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a producer is answered."""

    code: int
    text: str = ""


STORED: Final = Outcome(Code.OK)
DUPLICATE: Final = Outcome(Code.WARNING, "duplicated request, ignored")

Told = Callable[[Outcome], None]


class Sent:
    """One message, until it is answered; its payload is the connection's."""

    __slots__ = ("id", "metadata", "parts", "payload", "tell", "user", "write")

    def __init__(
        self,
        number: int,
        metadata: dict[str, Any],
        user: dict[str, Any],
        payload: NDArray[np.uint8] | None,
        parts: int,
        tell: Told,
        write: Callable[[], bool] | None = None,
    ) -> None:
        self.id = number
        self.metadata = metadata
        self.user = user
        self.payload = payload
        self.parts = parts
        self.tell = tell
        self.write = write
        """Writes its file, and tells whether it has replaced another."""


class Ended:
    """That a stream has ended, until it is answered."""

    __slots__ = ("came", "last_id", "next_stream", "tell")

    def __init__(self, last_id: int, next_stream: str, tell: Told, came: float) -> None:
        self.last_id = last_id
        self.next_stream = next_stream
        self.tell = tell
        self.came = came


class Lane:
    """What is on its way into one stream, or into that of one part of a dataset."""

    __slots__ = ("address", "base", "is_busy", "part", "parts", "used", "waiting", "writer")

    def __init__(self, base: StreamAddress, part: int) -> None:
        self.base = base
        self.part = part
        self.parts = 0
        """Of how many parts the datasets are; known when there is a writer."""
        self.address = part_address(base, part) if part else base
        self.waiting: list[Sent] = []
        self.writer: StreamWriter | None = None
        self.is_busy = False
        self.used = time.monotonic()


class Incoming:
    """All lanes of a server.

    Parameters
    ----------
    connections_of, sending_of
        Tell how many connections may send into a stream, and how many are sending something or wait for an answer.
    changed
        Called after something was stored in a stream.
    """

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        jobs: Jobs,
        *,
        connections_of: Callable[[StreamAddress], int],
        sending_of: Callable[[StreamAddress], int],
        changed: Callable[[StreamAddress], None],
    ) -> None:
        self._store, self._loop, self._jobs = store, loop, jobs
        self._connections_of, self._sending_of, self._changed = connections_of, sending_of, changed
        self._lanes: dict[tuple[StreamAddress, int], Lane] = {}
        self._filled: dict[Lane, None] = {}
        self._ends: dict[StreamAddress, list[Ended]] = {}
        self._is_told = False

    def put(self, base: StreamAddress, part: int, sent: Sent) -> None:
        """Take a message; ``part`` 0 is a message that is no part of a dataset."""
        lane = self._lane(base, part)
        lane.waiting.append(sent)
        lane.used = time.monotonic()
        self._filled[lane] = None
        if not self._is_told:
            self._is_told = True
            self._loop.call_soon(self._store_filled)

    def end(self, base: StreamAddress, ended: Ended) -> None:
        """Take note that a stream has ended; done once what was sent before is stored."""
        self._ends.setdefault(base, []).append(ended)
        self._loop.call_soon(self._look_at_end, base)

    def let_go(self, base: StreamAddress, *, is_idle: bool = True) -> list[StreamWriter]:
        """Return the writers of a stream, of which nothing is kept; the caller closes them."""
        lanes = [lane for (its, _), lane in self._lanes.items() if its == base]
        if is_idle and any(lane.is_busy or lane.waiting for lane in lanes):
            raise ConflictError(f"{base} is being written; it can be deleted when that is done")
        return self._drop(lanes)

    def let_go_of_idle(self) -> list[StreamWriter]:
        """Return the writers that nobody uses, or those used longest ago if there are many; the caller closes them."""
        now = time.monotonic()
        free = [
            lane
            for lane in self._lanes.values()
            if not lane.is_busy and not lane.waiting and lane.base not in self._ends
        ]
        free.sort(key=lambda lane: lane.used)
        excess = max(len(self._lanes) - MOST_LANES, 0)
        idle = [lane for lane in free[excess:] if now - lane.used > IDLE_S and not self._connections_of(lane.base)]
        return self._drop([*free[:excess], *idle])

    def let_go_of_all(self) -> list[StreamWriter]:
        """Return all writers."""
        return self._drop(list(self._lanes.values()))

    def _drop(self, lanes: Sequence[Lane]) -> list[StreamWriter]:
        for lane in lanes:
            self._lanes.pop((lane.base, lane.part), None)
        return [lane.writer for lane in lanes if lane.writer is not None]

    def _lane(self, base: StreamAddress, part: int) -> Lane:
        lane = self._lanes.get((base, part))
        if lane is None:
            lane = self._lanes[base, part] = Lane(base, part)
        return lane

    # --- storing

    def _store_filled(self) -> None:
        self._is_told = False
        filled, self._filled = self._filled, {}
        for lane in filled:
            if not lane.is_busy:
                self._begin(lane)

    def _begin(self, lane: Lane) -> None:
        # What is large goes alone: it would be copied once more, and the others would wait for their answers.
        count = next((at for at, sent in enumerate(lane.waiting) if not _is_small(sent)), len(lane.waiting)) or 1
        batch, lane.waiting = lane.waiting[:count], lane.waiting[count:]
        if lane.writer is not None and all(_is_small(sent) for sent in batch):
            self._tell(lane, batch, _outcomes(self._store, lane, batch))
            if lane.waiting and not lane.is_busy:
                self._begin(lane)
            return
        lane.is_busy = True
        self._jobs.then(partial(_outcomes, self._store, lane, batch), partial(self._stored, lane, batch), stores=True)

    def _stored(self, lane: Lane, batch: list[Sent], outcomes: list[Outcome]) -> None:
        lane.is_busy = False
        self._tell(lane, batch, outcomes)
        if lane.waiting and not lane.is_busy:
            self._begin(lane)

    def _tell(self, lane: Lane, batch: Sequence[Sent], outcomes: Sequence[Outcome]) -> None:
        if lane.writer is None and not lane.waiting:  # it could not be opened, or the stream has ended
            self._lanes.pop((lane.base, lane.part), None)
        for sent, outcome in zip(batch, outcomes, strict=True):
            sent.tell(outcome)
        self._changed(lane.base)
        if lane.base in self._ends:
            self._look_at_end(lane.base)

    # --- ending

    def _look_at_end(self, base: StreamAddress) -> None:
        ends = self._ends.get(base)
        lanes = [lane for (its, _), lane in self._lanes.items() if its == base]
        if not ends or any(lane.is_busy or lane.waiting for lane in lanes):
            return
        ended = ends[0]
        is_whole = bool(lanes) and all(
            lane.writer is not None and lane.writer.written == lane.writer.last_id == ended.last_id for lane in lanes
        )
        if not is_whole and self._may_come(base, self._loop.time() - ended.came):
            self._jobs.later(AGAIN_S, partial(self._look_at_end, base))
            return
        for lane in lanes:
            lane.is_busy = True
        del ends[0]
        work = partial(_end, self._store, base, lanes, ended)
        self._jobs.then(work, partial(self._has_ended, base, lanes, ended), stores=True)

    def _may_come(self, base: StreamAddress, waited_s: float) -> bool:
        """Tell whether something may come that was sent before the end, by another connection."""
        if self._connections_of(base) < 2:
            return False
        ending = sum(len(ends) for its, ends in self._ends.items() if its.parent == base.parent)
        is_sent = self._sending_of(base) > ending  # who ends something waits for the answer
        return waited_s < (MOST_GRACE_S if is_sent else GRACE_S)

    def _has_ended(self, base: StreamAddress, lanes: list[Lane], ended: Ended, outcome: Outcome) -> None:
        for lane in lanes:
            lane.is_busy = False
            if lane.writer is None and not lane.waiting:
                self._lanes.pop((lane.base, lane.part), None)
        if not self._ends.get(base):
            self._ends.pop(base, None)
        ended.tell(outcome)
        self._changed(base)
        for lane in lanes:
            if lane.waiting and not lane.is_busy:
                self._begin(lane)
        if base in self._ends:
            self._look_at_end(base)


def _is_small(sent: Sent) -> bool:
    return sent.write is None and (sent.payload is None or sent.payload.nbytes < BIG_BYTES)


def outcome_of(error: Exception) -> Outcome:
    """Return what a producer is answered when something cannot be done."""
    # Never Code.INTERNAL: the client would try until its time is up, and then not tell why.
    if isinstance(error, BeamtimeError):
        # Another beamtime is current just now: the client connects anew, is told so, and sends again.
        return Outcome(Code.REAUTHORISE if error.is_passing else Code.REFUSED, str(error))
    if isinstance(error, PenstockError):
        return Outcome(Code.WRONG, str(error))
    if isinstance(error, OSError):
        return Outcome(Code.WRONG, f"the store cannot do it: {error.strerror or error}")
    return Outcome(Code.WRONG, fault(error))


def _outcomes(store: Store, lane: Lane, batch: Sequence[Sent]) -> list[Outcome]:
    """Store messages, and return what became of each; raises nothing."""
    try:
        if lane.writer is None:
            lane.writer = _opened(store, lane, batch)
        return _Batch(store, lane, lane.writer, batch).outcomes()
    except Exception as error:  # noqa: BLE001  # every message must end, and with the reason
        with suppress(PenstockError):
            if isinstance(error, StateError) and lane.writer is not None:
                lane.writer.close()
                lane.writer = None
        found = _known(store, lane, batch) if isinstance(error, StateError) else {}
        return [found.get(at) or outcome_of(error) for at in range(len(batch))]


def _known(store: Store, lane: Lane, batch: Sequence[Sent]) -> dict[int, Outcome]:
    """Return which messages are in a stream that has ended: those that were sent again."""
    with suppress(PenstockError), store.read(lane.address) as reader:
        found = [(at, reader.message(sent.id)) for at, sent in enumerate(batch) if sent.id]
        return {at: DUPLICATE for at, there in found if there is not None and _is_same(batch[at], there)}
    return {}


def _opened(store: Store, lane: Lane, batch: Sequence[Sent]) -> StreamWriter:
    if lane.part:
        lane.parts = announce(store, lane.base, batch[0].parts)
        if lane.part > lane.parts:
            raise ConflictError(_other_parts(lane, batch[0].parts))
    elif store.metadata(table_address(lane.base)) is not None:
        raise StreamError(f"{lane.base} has datasets; send parts of them, or to another stream")
    return store.write(lane.address)


def announce(store: Store, base: StreamAddress, parts: int) -> int:
    """Say of how many parts the datasets of a stream are, if nobody has; return what was said.

    Raises
    ------
    StreamError
        If the stream has single messages.
    """
    table = table_address(base)
    if store.metadata(table) is None:
        if store.info(base).created_ns:
            raise StreamError(f"{base} has single messages; send datasets to another stream")
        with suppress(ConflictError):  # another part was quicker
            store.set_metadata(table, {"parts": parts}, "insert")
    said = int((store.metadata(table) or {}).get("parts", 0))
    with suppress(ConflictError, StateError), store.write(table, sync="none") as writer:  # wakes who waits for it
        writer.finish()
    return said


def _other_parts(lane: Lane, parts: int) -> str:
    return f"the datasets of {lane.base} have {lane.parts} parts; a part of {parts} cannot be sent there"


class _Batch:
    """Messages that go into one stream together."""

    def __init__(self, store: Store, lane: Lane, writer: StreamWriter, batch: Sequence[Sent]) -> None:
        self._store, self._lane, self._writer, self._batch = store, lane, writer, batch
        self._outcomes: dict[int, Outcome] = {}

    def outcomes(self) -> list[Outcome]:
        """Store them, and return what became of each."""
        self._number()
        rows = [row for row in range(len(self._batch)) if self._outcomes.get(row, STORED).code == Code.OK]
        while rows:
            first: dict[int, int] = {}
            later = [row for row in rows if first.setdefault(self._batch[row].id, row) != row]
            self._append(sorted(first.values(), key=lambda row: self._batch[row].id))
            rows = later
        return [self._outcomes[row] for row in range(len(self._batch))]

    def _number(self) -> None:
        last = max(self._writer.last_id, *(sent.id for sent in self._batch))
        for row, sent in enumerate(self._batch):
            if self._lane.part and sent.parts != self._lane.parts:
                self._outcomes[row] = Outcome(Code.WRONG, _other_parts(self._lane, sent.parts))
            if sent.id:
                continue
            if last >= LARGEST_ID:
                self._outcomes[row] = Outcome(Code.WRONG, f"there is no id after {last}, which somebody has given")
                continue
            last += 1
            sent.id = last
            self._outcomes[row] = Outcome(Code.OK, str(last))

    def _append(self, rows: Sequence[int]) -> None:
        sent = [self._batch[row] for row in rows]
        if sent[0].id <= self._writer.last_id:
            there = self._writer.present(np.array([one.id for one in sent], np.uint64)).tolist()
            for row, is_there in zip(rows, there, strict=True):
                if is_there:
                    self._outcomes[row] = self._again(self._batch[row])
            rows = [row for row, is_there in zip(rows, there, strict=True) if not is_there]
        rows = [row for row in rows if self._is_written(row)]
        if rows:
            self._writer.append(_block(self._lane.address.stream, [self._batch[row] for row in rows]))
        for row in rows:
            self._outcomes.setdefault(row, STORED)

    def _is_written(self, row: int) -> bool:
        """Write the file of a message, if it is to have one; return whether the message is to be stored."""
        sent = self._batch[row]
        if sent.write is None:
            return True
        try:
            if sent.write():
                self._outcomes[row] = Outcome(Code.WARNING, "file has been overwritten")
        except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
            self._outcomes[row] = outcome_of(error)
            return False
        return True

    def _again(self, sent: Sent) -> Outcome:
        with self._store.read(self._lane.address) as reader:
            there = reader.message(sent.id)
        if there is not None and _is_same(sent, there):
            return DUPLICATE
        return Outcome(
            Code.WRONG, f"already have record with same id {sent.id}, and another name, size, data or metadata"
        )


def _block(stream: str, batch: Sequence[Sent]) -> Block:
    messages = [
        Message(
            sent.id, None, time.time_ns(), sent.metadata,
            None if sent.payload is None else typed_array(sent.payload, sent.user),
        )
        for sent in batch
    ]  # fmt: skip
    if len(messages) > 1:
        return Block.of(stream, messages)
    one = messages[0]
    return Block(
        stream=stream,
        ids=np.array([one.id], np.uint64),
        timestamps=np.array([one.timestamp_ns], np.int64),
        metadata=(one.metadata,),
        columns=() if one.array is None else (one.array[np.newaxis],),
    )


def _is_same(sent: Sent, there: Message) -> bool:
    """Tell whether a stored message is the one that was sent: name, size, metadata and data; not how it was sent."""
    mine, other = said_of(sent.metadata), said_of(there.metadata)
    if OWN not in there.metadata or (mine[0], mine[1], mine[3]) != (other[0], other[1], other[3]):
        return False
    if sent.payload is None or there.array is None:
        return sent.payload is None and there.array is None
    stored = there.array.reshape(-1).view(np.uint8)
    return stored.size == sent.payload.size and bool(np.array_equal(stored, sent.payload))


def _end(store: Store, base: StreamAddress, lanes: Sequence[Lane], ended: Ended) -> Outcome:
    """End a stream with all its parts; raises nothing."""
    try:
        parts = int((store.metadata(table_address(base)) or {}).get("parts", 0))
        addresses = [part_address(base, part) for part in range(1, parts + 1)] or [base]
        writers = {lane.address: lane for lane in lanes}
        largest = max(store.info(address).last_id for address in addresses)
        if largest > ended.last_id:
            return Outcome(
                Code.WRONG, f"{base} has message {largest}; it cannot end with {ended.last_id}: name the largest id"
            )
        are_ended = [_end_one(store, address, writers.get(address), ended) for address in addresses]
    except Exception as error:  # noqa: BLE001  # it must be answered, and with the reason
        return outcome_of(error)
    return DUPLICATE if all(are_ended) else STORED


def _end_one(store: Store, address: StreamAddress, lane: Lane | None, ended: Ended) -> bool:
    """End one stream; return whether it had ended so already."""
    info = store.info(address)
    if info.state in ENDED:
        if (info.state, info.next_stream) != (StreamState.FINISHED, ended.next_stream):
            raise ConflictError(f"{address} has ended already, and otherwise: {info.state} {info.next_stream}".rstrip())
        return True
    if lane is not None and lane.writer is not None:
        lane.writer.finish(ended.next_stream)
        lane.writer.close()
        lane.writer = None
    else:
        with store.write(address) as writer:
            writer.finish(ended.next_stream)
    return False
