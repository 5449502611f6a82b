"""A copy is the original again, wherever it was interrupted; what is no copy of it is left alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, IntegrityError, StateError
from penstock.streams.directory import DirectoryStore
from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import Encoding, Store
from penstock.streams.stream_copy import copy_stream

FROM, TO = StreamAddress.parse("a/b/from"), StreamAddress.parse("a/b/to")


def block(*ids: int) -> Block:
    return Block.of("", [Message(id=n, key=n, timestamp_ns=n, metadata={"n": n}, array=np.full(3, n)) for n in ids])


def write(store: Store, *blocks: tuple[int, ...], to: StreamAddress = FROM, end: str | None = None) -> None:
    with store.write(to) as writer:
        for ids in blocks:
            writer.append(block(*ids))
        if end is not None:
            writer.finish(end)


def messages(store: Store, address: StreamAddress) -> list[tuple[object, ...]]:
    with store.read(address) as reader:
        found = [message for stored in reader.blocks() for message in stored.block.messages()]
    return [(m.id, m.key, m.timestamp_ns, m.metadata, m.array.tolist()) for m in found]


@given(
    st.permutations(range(8)),
    st.lists(st.integers(0, 9), max_size=4),
    st.booleans(),
)
def test_it_goes_on_wherever_it_was_stopped(order: list[int], stops: list[int], is_finished: bool) -> None:
    with MemoryStore() as store, MemoryStore() as other:
        write(store, *((2 * n + 1, 2 * n + 2) for n in order), end="next" if is_finished else None)
        for stop in stops:
            asked = iter(range(100))
            copy_stream(store, FROM, other, TO, is_stopped=lambda: next(asked) >= stop)  # noqa: B023  # used at once
        done = copy_stream(store, FROM, other, TO)
        assert done.before + done.messages == 16
        assert done.state == other.info(TO).state
        assert messages(other, TO) == messages(store, FROM)
        info = other.info(TO)
        assert (info.state, info.next_stream) == (("finished", "next") if is_finished else ("stalled", ""))
        assert copy_stream(store, FROM, other, TO).messages == 0


def test_encodings_metadata_and_how_it_was_aborted_are_kept() -> None:
    encoding = Encoding("bslz4", "<u2", (10, 10))
    with MemoryStore() as store:
        with store.write(FROM) as writer:
            writer.append(Block.of("", [Message(id=4, array=np.zeros(7, np.uint8))]), [encoding])
            writer.abort("why")
        store.set_metadata(FROM, {"sample": 1})
        copy_stream(store, FROM, store, TO)
        with store.read(TO) as reader:
            assert next(reader.blocks()).encodings == (encoding,)
        assert store.info(TO).reason == "why"
        assert store.metadata(TO) == {"sample": 1}


def test_a_copy_follows_a_stream_that_grows_also_when_its_begin_is_gone(tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store", segment_bytes=600) as store:
        write(store, (1,), (2,), (3,), (4,))
        assert store.retain(FROM, count=2).messages
        copy_stream(store, FROM, store, TO)
        first = [row[0] for row in messages(store, TO)]
        write(store, (9,), (7,))
        store.retain(FROM, count=len(first) + 1)
        assert copy_stream(store, FROM, store, TO).messages == 2
        assert [row[0] for row in messages(store, TO)] == [*first, 9, 7]


def test_what_is_no_copy_is_left_alone() -> None:
    with MemoryStore() as store:
        write(store, (1,), (2,), (3,))
        write(store, (1, 5), to=TO)
        with pytest.raises(ConflictError, match="message 5, which it has last, is not there"):
            copy_stream(store, FROM, store, TO)
        assert store.info(TO).count == 2
        other = StreamAddress.parse("a/b/other")
        with store.write(other) as writer:
            writer.append(Block.of("", [Message(id=1, array=np.zeros(3))]))
        with pytest.raises(ConflictError, match="message 1, which it has last, is another one"):
            copy_stream(store, FROM, store, other)
        with store.write(other) as writer:
            writer.finish()
        with pytest.raises(StateError):
            copy_stream(store, FROM, store, other)


def test_damage_stops_it_or_is_left_out(tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store") as store:
        write(store, (1,), (2,), (3,), (4,))
    (segment,) = tmp_path.rglob("*.seg")
    data = bytearray(segment.read_bytes())
    data[data.index(np.full(3, 2).tobytes())] ^= 1
    segment.write_bytes(data)
    with DirectoryStore(tmp_path / "store") as store:
        with pytest.raises(IntegrityError, match=segment.name):
            copy_stream(store, FROM, store, TO)
        assert [row[0] for row in messages(store, TO)] == [1]
        asked = iter(range(100))
        done = copy_stream(store, FROM, store, TO, past_damage=True, is_stopped=lambda: next(asked) >= 1)
        assert (done.messages, len(done.damaged)) == (1, 1)
        assert copy_stream(store, FROM, store, TO, past_damage=True).messages == 1
        assert [row[0] for row in messages(store, TO)] == [1, 3, 4]
