"""Messages that go into one stream together, and what becomes of each; in any thread."""

import time
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from penstock.compat.asapo.lane import Lane, Sent
from penstock.compat.asapo.outcome import DUPLICATE, STORED, Outcome, outcome_of
from penstock.compat.asapo.records import OWN, said_of, typed_array
from penstock.compat.asapo.wire import LARGEST_ID, Code
from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, PenstockError, StateError, StreamError
from penstock.streams.dataset import table_address
from penstock.streams.store import Store, StreamWriter

__all__ = ["store_batch"]


def store_batch(store: Store, lane: Lane, batch: Sequence[Sent]) -> list[Outcome]:
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
        lane.parts = _announced(store, lane.base, batch[0].parts)
        if lane.part > lane.parts:
            raise ConflictError(_other_parts(lane, batch[0].parts))
    elif store.metadata(table_address(lane.base)) is not None:
        raise StreamError(f"{lane.base} has datasets; send parts of them, or to another stream")
    return store.write(lane.address)


def _announced(store: Store, base: StreamAddress, parts: int) -> int:
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
