"""A producer of a store that is some time away: what is on its way, what gathers meanwhile, and what becomes of it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import pytest

from penstock.core.block import Block
from penstock.core.encoding import Encoding
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, PenstockError, StreamError
from penstock.streams.memory_store import MemoryStore
from penstock.streams.memory_writer import MemoryWriter
from penstock.streams.pipelined_writer import PipelinedWriter, Told
from penstock.streams.producer import Producer
from penstock.streams.receipts import Receipt
from penstock.streams.sending import MOST_ON_WAY
from penstock.streams.store import Sync
from tests.unit.streams.failing_store import FailingWriter

ADDRESS = StreamAddress("c2026", "eiger", "run 1")
LONGEST_S = 20.0
BIG = bytes(1 << 20)
"""A message that is a batch of its own."""


class FarStore(MemoryStore):
    """A memory store whose appends are answered when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()
        self.sent: list[list[int]] = []
        """The ids of each block that was sent on its way."""
        self.unanswered: list[tuple[Block, Sequence[Encoding | None], Told]] = []
        self.writers: list[MemoryWriter] = []
        self.refuses = False

    def write(self, address: StreamAddress, *, sync: Sync = "interval") -> Any:
        return FarWriter(self, super().write(address, sync=sync))

    def await_sent(self, count: int) -> None:
        """Wait until so many blocks have been sent in all."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.sent) >= count, LONGEST_S)

    def answer(self, error: PenstockError | None = None) -> None:
        """Answer what was sent first, and write it if there is no error."""
        with self.changed:
            assert self.changed.wait_for(lambda: bool(self.unanswered), LONGEST_S)
            block, encodings, told = self.unanswered.pop(0)
        if error is None:
            self.writers[-1].append(block, encodings)
        told(error)


class FarWriter(FailingWriter, PipelinedWriter):
    """A writer of a far store; what is not to be pipelined is done at once."""

    def __init__(self, store: FarStore, writer: MemoryWriter) -> None:
        self._far, self._writer = store, writer
        store.writers.append(writer)

    def append(self, block: Block, encodings: Sequence[Encoding | None] = ()) -> None:
        assert not self._far.unanswered, "it would overtake what is on its way"
        self._writer.append(block, encodings)

    def present(self, ids: Any) -> Any:
        assert not self._far.unanswered, "what is on its way would not be seen"
        return self._writer.present(ids)

    def append_soon(self, block: Block, encodings: Sequence[Encoding | None], told: Told) -> None:
        if self._far.refuses:
            told(StreamError("the test failed"))
            return
        with self._far.changed:
            self._far.sent.append(block.ids.tolist())
            self._far.unanswered.append((block, encodings, told))
            self._far.changed.notify_all()


@contextmanager
def producing(store: FarStore) -> Iterator[Producer]:
    """Give a producer; if the test fails, what is on its way is refused, so that it can be closed."""
    out = Producer(store, ADDRESS)
    try:
        yield out
    except BaseException:
        store.refuses = True
        while store.unanswered:
            store.answer(StreamError("the test failed"))
        raise
    finally:
        with suppress(StreamError) if store.refuses else nullcontext():
            out.close()


@pytest.fixture
def store() -> Iterator[FarStore]:
    with FarStore() as store:
        yield store


def test_several_are_sent_before_the_first_is_answered_and_not_too_many(store: FarStore) -> None:
    with producing(store) as out:
        receipts = [out.send(BIG) for _ in range(MOST_ON_WAY + 2)]
        store.await_sent(MOST_ON_WAY)
        assert not any(receipt.outcome for receipt in receipts)
        for n in range(1, len(receipts) + 1):
            store.answer()
            assert receipts[n - 1].wait(LONGEST_S).kind == "stored"
            assert len(store.unanswered) <= MOST_ON_WAY
        assert store.sent == [[n] for n in range(1, MOST_ON_WAY + 3)]


def test_those_that_wait_while_one_is_on_its_way_are_sent_together(store: FarStore) -> None:
    with producing(store) as out:
        first = out.send(BIG)
        store.await_sent(1)
        receipts: list[Receipt] = []
        waiting = [threading.Thread(target=lambda: receipts.append(_sent(out))) for _ in range(50)]
        for thread in waiting:
            thread.start()
        store.answer()
        first.wait(LONGEST_S)
        while any(thread.is_alive() for thread in waiting):
            with store.changed:
                store.changed.wait_for(lambda: bool(store.unanswered), 0.01)
            if store.unanswered:
                store.answer()
    assert sorted(receipt.id for receipt in receipts) == list(range(2, 52))
    assert len(store.sent) < 26, "most of them are not alone"


def _sent(out: Producer) -> Receipt:
    receipt = out.send(b"x")
    receipt.wait(LONGEST_S)
    return receipt


def test_what_is_refused_costs_its_own_messages_only(store: FarStore) -> None:
    with producing(store) as out:
        receipts = [out.send(BIG) for _ in range(3)]
        store.await_sent(3)
        store.answer()
        store.answer(ConflictError("no"))
        store.answer()
        assert [receipts[n].wait(LONGEST_S).kind for n in (0, 2)] == ["stored", "stored"]
        with pytest.raises(ConflictError, match="no"):
            receipts[1].wait(LONGEST_S)
    with store.read(ADDRESS) as reader:
        assert reader.ids().tolist() == [1, 3]


def test_a_block_refused_for_the_sake_of_one_message_is_divided(store: FarStore) -> None:
    with producing(store) as out:
        held = out.send(BIG)
        store.await_sent(1)
        receipts = [out.send(b"x") for _ in range(100)]
        store.await_sent(2)
        store.answer()
        held.wait(LONGEST_S)
        while store.unanswered:
            store.answer(StreamError("one of them"))
        out.flush()
        assert {receipt.wait(LONGEST_S).kind for receipt in receipts} == {"stored"}
    with store.read(ADDRESS) as reader:
        assert reader.ids().tolist() == list(range(1, 102))


def test_what_comes_again_is_compared_with_what_was_on_its_way(store: FarStore) -> None:
    with producing(store) as out:
        first = out.send(BIG, id=1)
        store.await_sent(1)
        again, other = out.send(BIG, id=1), out.send(b"other", id=1)
        store.answer()
        assert first.wait(LONGEST_S).kind == "stored"
        assert again.wait(LONGEST_S).kind == "duplicate"
        with pytest.raises(ConflictError, match="with other content"):
            other.wait(LONGEST_S)
    assert store.sent == [[1]]
