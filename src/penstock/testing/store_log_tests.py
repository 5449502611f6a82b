"""What every store must do, from the lowest level on: append, and read in the order of arrival."""

import select
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import Any

import numpy as np
import pytest

from penstock.core.block import Block
from penstock.core.message import Kind, Message
from penstock.core.stream_address import StreamAddress
from penstock.core.timestamp import Timestamp
from penstock.errors import ConflictError, ResultTypeError, StateError, StreamError
from penstock.streams.store import Encoding, Store, Sync
from penstock.testing.store_cases import (
    ADDRESS,
    ODD_NAMES,
    PATIENCE_S,
    arrived,
    message,
    numbered,
    read,
    required_level,
    told,
    waiting,
    write,
)
from penstock.testing.store_process import StoreProcess

__all__ = ["StoreLogTests"]


STRUCTURED = np.dtype(
    {
        "names": ["x", "name", "part", "box"],
        "formats": ["<u2", "S3", [("re", "<f4"), ("im", ">f4")], ("<i2", (2, 2))],
        "offsets": [0, 2, 8, 16],
        "itemsize": 32,
    }
)
DTYPES = [
    *("?", "i1", "u1", "<i2", ">i2", "<u4", "<i8", ">u8", "<f2", "<f4", ">f8", "<c8", "<c16"),
    *("S5", "<U3", "V4", "<M8[ns]", "<m8[s]"),
    STRUCTURED,
]
SHAPES = [(), (0,), (3,), (2, 0, 4), (2, 1, 3), (1,) * 6]
PLAIN = {
    "none": None,
    "truth": [True, False],
    "whole": [0, -1, 2**63 - 1, 2**64 - 1, 2**70, -(2**90)],
    "real": [0.0, -0.0, 1e308, 5e-324, float("inf"), float("nan")],
    "complex": 1 - 2j,
    "text": ["", "Ä€𝄞", "a\0b\n"],
    "bytes": [b"", b"\x00\xff"],
    "containers": [(1, (2, [3])), {"a": {"b": []}}, {1, 2}, frozenset({"x"}), {}, ()],
    "times": [datetime(2026, 11, 20, 1, 2, 3, 4, UTC), date(2026, 11, 20), timedelta(days=-1), Timestamp(7)],
    "scalars": [np.float32(1.5), np.uint64(2**64 - 1), np.bool_(True), np.datetime64(7, "ns")],
    "array": np.arange(6, dtype=">i4").reshape(2, 3),
}


class StoreLogTests:
    """What the level `LOG` asks for, and what ``StoreTests`` stands on."""

    def other_process(self, store: Store) -> Sequence[str] | None:
        """Return what opens the same store in another process: ``module:function`` and arguments, all text.

        ``None`` says that a store is of one process; what is about several is skipped then.
        """
        del store
        return None

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """Yield an empty store, and close it."""
        raise NotImplementedError("a subclass of StoreTests gives the fixture store")

    @pytest.fixture(autouse=True)
    def _only_at_its_level(self, request: pytest.FixtureRequest, store: Store) -> None:
        level = required_level(request.function)
        if store.level < level:
            pytest.skip(f"this store is of level {store.level.name}, the test of {level.name}")

    def test_what_is_written_is_read(self, store: Store) -> None:
        block = numbered(1, 2, 3, 4, 5)
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            writer.append(block)
            assert arrived(reader.blocks()) == told(block.messages())
            assert all(stored.block.stream == ADDRESS.stream for stored in reader.blocks())

    def test_the_order_is_that_of_arrival_whatever_the_ids(self, store: Store) -> None:
        blocks = [numbered(5, 9), numbered(2), numbered(3, 4, 11), numbered(1, 2**63, 2**64 - 1)]
        write(store, *blocks)
        assert read(store) == [one for block in blocks for one in told(block.messages())]

    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    def test_arrays_keep_their_dtype_and_shape(self, store: Store, dtype: Any) -> None:
        for at, shape in enumerate(SHAPES):
            array = random_array(dtype, (2, *shape))
            messages = [Message(id=2 * at + 1 + row, array=array[row, ...]) for row in range(2)]
            write(store, Block.of("any", messages))
            assert read(store)[-2:] == told(messages)

    def test_messages_may_have_different_buffers(self, store: Store) -> None:
        a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, ">u2")
        empty, record = np.empty((0, 3)), random_array(STRUCTURED, (2,))
        messages = [
            Message(id=1, array=a),
            Message(id=2, array=b, more=(a, empty, record)),
            Message(id=3),
            Message(id=4, array=empty, more=(b,)),
            Message(id=5, array=a[:, ::2], more=(a.T,)),
        ]
        write(store, Block.of("any", messages), Block.of("any", [Message(id=6, array=np.empty(0, np.uint8))]))
        assert read(store) == told([*messages, Message(id=6, array=np.empty(0, np.uint8))])

    def test_messages_without_buffers(self, store: Store) -> None:
        messages = [Message(id=1), Message(id=2, metadata={"a": 1})]
        write(store, Block.of("any", messages))
        assert read(store) == told(messages)

    def test_metadata_of_every_plain_type(self, store: Store) -> None:
        messages = [Message(id=1, metadata=PLAIN), Message(id=2), Message(id=3, metadata={"": {"deep": [PLAIN]}})]
        write(store, Block.of("any", messages))
        assert read(store) == told(messages)

    def test_metadata_of_one_reader_are_not_those_of_another(self, store: Store) -> None:
        write(store, numbered(1))
        with store.read(ADDRESS) as first, store.read(ADDRESS) as second:
            changed, other = (next(reader.blocks()).block.metadata for reader in (first, second))
            assert changed is not None
            assert other is not None
            mine: Any = changed[0]
            mine["number"] = "changed"
            assert other[0] == message(1).metadata
            assert arrived(second.blocks()) == told([message(1)])

    @pytest.mark.parametrize("keys", [None, [0, 2**64 - 1]])
    def test_keys_and_timestamps_to_their_ends(self, store: Store, keys: list[int] | None) -> None:
        messages = [
            Message(id=n + 1, key=keys[n] if keys else None, timestamp_ns=(2**63 - 1, -(2**63))[n]) for n in range(2)
        ]
        write(store, Block.of("any", messages))
        assert read(store) == told(messages)

    def test_kinds(self, store: Store) -> None:
        blocks = [numbered(1, kind=Kind.START), numbered(2, 3), numbered(4, kind=Kind.END), numbered(5)]
        write(store, *blocks)
        with store.read(ADDRESS) as reader:
            assert [(stored.block.kind, stored.block.ids.tolist()) for stored in reader.blocks()] == [
                (Kind.START, [1]),
                (Kind.DATA, [2, 3]),
                (Kind.END, [4]),
                (Kind.DATA, [5]),
            ]

    def test_compressed_buffers_pass_as_they_are(self, store: Store) -> None:
        lengths = [3, 0, 5]
        packed = [np.arange(n, dtype=np.uint8) for n in lengths]
        messages = [Message(id=n + 1, array=np.array(n), more=(packed[n],)) for n in range(3)]
        uniform = Message(id=9, array=np.arange(4, dtype=np.uint8))
        encoding, unknown = Encoding("bslz4", "<u2", (512, 1024)), Encoding("own", "", ())
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            writer.append(Block.of("any", messages), [None, encoding])
            writer.append(Block.of("any", [uniform]), [unknown])
            writer.append(numbered(10))
            found = list(reader.blocks())
        assert [stored.encodings for stored in found if any(stored.encodings)] == [(None, encoding), (unknown,)]
        assert not any(found[-1].encodings)
        assert arrived(found) == [*told([*messages, uniform]), *told([message(10)])]

    @pytest.mark.parametrize(
        ("array", "encodings"),
        [
            (np.zeros(4, np.uint8), [None, Encoding("lz4", "", ())]),
            (np.zeros(4, np.uint16), [Encoding("lz4", "", ())]),
            (np.zeros((2, 2), np.uint8), [Encoding("lz4", "", ())]),
        ],
        ids=["of no buffer", "of numbers", "of two axes"],
    )
    def test_an_encoding_that_cannot_be_is_refused(
        self, store: Store, array: Any, encodings: list[Encoding | None]
    ) -> None:
        block = Block.of("any", [Message(id=1, array=array)])
        refuses(store, ResultTypeError, lambda append: append(block, encodings))

    @pytest.mark.parametrize(
        "bad",
        [{"array": np.array([object()])}, {"metadata": {"a": object()}}],
        ids=["array", "metadata"],
    )
    def test_what_cannot_be_stored_is_refused(self, store: Store, bad: dict[str, Any]) -> None:
        refuses(store, ResultTypeError, lambda append: append(Block.of("any", [Message(id=n, **bad) for n in (1, 2)])))

    @pytest.mark.parametrize("ids", [[2, 1], [1, 1], [0], [0, 1], [1, 2, 3, 3]], ids=str)
    def test_ids_that_do_not_ascend_from_1_are_refused(self, store: Store, ids: list[int]) -> None:
        refuses(store, StreamError, lambda append: append(numbered(*ids)))

    @pytest.mark.parametrize("ids", [[4, 5, 6], [1, 2], [2, 4], [6, 9], [4], [1, 2, 3, 4, 5, 6, 7, 8, 9]], ids=str)
    def test_a_block_with_an_id_that_is_there_is_refused_whole(self, store: Store, ids: list[int]) -> None:
        there = [1, 4, 9]
        with store.write(ADDRESS) as writer:
            writer.append(numbered(*there))
            with pytest.raises(ConflictError, match=rf"\b{min(set(ids) & set(there))}\b"):
                writer.append(numbered(*ids))
            assert (writer.written, writer.last_id) == (3, 9)
            assert read(store) == told(map(message, there))
            new = sorted(set(ids) - set(there))
            if new:
                writer.append(numbered(*new))
        assert read(store) == told(map(message, [*there, *new]))

    def test_a_block_without_messages_writes_nothing(self, store: Store) -> None:
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            writer.append(numbered(1).take(slice(0, 0)))
            assert (writer.written, writer.last_id, list(reader.blocks())) == (0, 0, [])
            writer.append(numbered(1))
            assert arrived(reader.blocks()) == told([message(1)])

    def test_reading_begins_at_any_position(self, store: Store) -> None:
        blocks = [numbered(7, 8, 9), numbered(1), numbered(2, 3, 20, 21)]
        write(store, *blocks)
        everything = [one for block in blocks for one in told(block.messages())]
        with store.read(ADDRESS) as reader:
            for position in range(len(everything) + 2):
                found = list(reader.blocks(position))
                assert arrived(found) == everything[position:], f"from position {position} on"
                lengths = [len(stored.block) for stored in found]
                begins = list(accumulate(lengths, initial=position))[:-1]
                assert [stored.position for stored in found] == begins, f"from position {position} on"

    def test_nothing_of_what_was_appended_is_kept(self, store: Store) -> None:
        arrays = np.arange(12.0).reshape(2, 6)
        ids, timestamps = np.array([1, 2], np.uint64), np.array([10, 20])
        metadata: list[dict[str, Any]] = [{"a": [1]}, {}]
        block = Block(stream="any", ids=ids, timestamps=timestamps, metadata=metadata, columns=(arrays,))
        expected = told(block.messages())
        write(store, block)
        for array in (arrays, ids, timestamps):
            array[:] = 99
        metadata[0]["a"].append(2)
        assert read(store) == expected

    def test_nobody_can_write_what_is_stored(self, store: Store) -> None:
        write(store, Block.of("any", [Message(id=1, array=np.arange(3))]), numbered(2, 3))
        with store.read(ADDRESS) as reader:
            for stored in reader.blocks():
                buffers = [buffer for one in stored.block.messages() for buffer in one.buffers]
                for array in (stored.block.ids, stored.block.timestamps, *buffers):
                    assert not array.flags.writeable
                    with pytest.raises(ValueError, match="WRITEABLE"):
                        array.flags.writeable = True

    def test_arrays_outlive_reader_and_store(self, store: Store) -> None:
        write(store, numbered(4, 8))
        with store.read(ADDRESS) as reader:
            found = list(reader.blocks())
        store.close()
        assert arrived(found) == told([message(4), message(8)])

    def test_a_writer_knows_what_is_there(self, store: Store) -> None:
        ids = np.array([9, 0, 1, 5, 2**64 - 1], np.uint64)
        with store.write(ADDRESS) as writer:
            assert (writer.last_id, writer.written) == (0, 0)
            assert writer.present(ids).tolist() == [False] * 5
            writer.append(numbered(5, 9))
            writer.append(numbered(1))
            assert (writer.last_id, writer.written) == (9, 3)
            assert writer.present(ids).tolist() == [True, False, True, True, False]

    @pytest.mark.parametrize("sync", ["none", "interval", "always"])
    def test_what_is_synced_is_known(self, store: Store, sync: Sync) -> None:
        with store.write(ADDRESS, sync=sync) as writer:
            assert writer.synced == 0
            for number in range(1, 6):
                writer.append(numbered(2 * number, 2 * number + 1))
                assert writer.written == 2 * number
                assert writer.synced <= writer.written
                if sync == "always" and store.can_sync:
                    assert writer.synced == writer.written
            writer.sync()
            assert writer.synced == (10 if store.can_sync else 0)
        assert len(read(store)) == 10

    def test_a_stream_is_written_on_by_the_next_writer(self, store: Store) -> None:
        for number in (3, 1, 2):
            with store.write(ADDRESS) as writer:
                writer.append(numbered(number))
                assert (writer.written, writer.last_id) == ([3, 1, 2].index(number) + 1, 3)
        with store.write(ADDRESS) as writer, pytest.raises(ConflictError):
            writer.append(numbered(2))
        assert read(store) == told(map(message, (3, 1, 2)))

    def test_one_writes_at_a_time(self, store: Store) -> None:
        with store.write(ADDRESS) as writer:
            with pytest.raises(ConflictError, match="run 1"):
                store.write(ADDRESS)
            writer.append(numbered(1))
        with store.write(ADDRESS) as writer:
            writer.append(numbered(2))
        assert read(store) == told([message(1), message(2)])

    def test_a_closed_writer_writes_nothing(self, store: Store) -> None:
        with store.write(ADDRESS) as writer:
            writer.append(numbered(1))
        with pytest.raises(StateError):
            writer.append(numbered(2))
        writer.close()
        assert read(store) == told([message(1)])

    def test_a_source_is_no_stream(self, store: Store) -> None:
        for address in (ADDRESS.parent, StreamAddress("b")):
            with pytest.raises(StreamError, match="names no stream"):
                store.write(address)
            with pytest.raises(StreamError, match="names no stream"):
                store.read(address)

    def test_a_reader_may_be_there_before_the_stream(self, store: Store) -> None:
        with store.read(ADDRESS) as reader:
            assert list(reader.blocks()) == []
            assert not reader.wait(0, 0)
            write(store, numbered(1))
            assert reader.wait(0, 0)
            assert arrived(reader.blocks()) == told([message(1)])

    def test_streams_of_the_same_name_elsewhere_are_others(self, store: Store) -> None:
        addresses = [StreamAddress(b, s, t) for b in ("b", "c") for s in ("b", "c") for t in ("b", "c")]
        for number, address in enumerate(addresses, 1):
            write(store, numbered(number), to=address)
        assert [read(store, address) for address in addresses] == [told([message(n)]) for n in range(1, 9)]

    def test_names_may_have_any_character(self, store: Store) -> None:
        addresses = [StreamAddress("b", "s", name) for name in ODD_NAMES]
        addresses += [StreamAddress(name, name, name) for name in ODD_NAMES]
        for number, address in enumerate(addresses, 1):
            write(store, numbered(number), to=address)
        for number, address in enumerate(addresses, 1):
            assert read(store, address) == told([message(number)]), address

    def test_wait_tells_whether_there_is_more(self, store: Store) -> None:
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            assert not reader.wait(0, 0.01)
            writer.append(numbered(5, 7, 9))
            assert [reader.wait(position, 0) for position in range(5)] == [True, True, True, False, False]

    def test_wait_is_woken_by_a_message(self, store: Store) -> None:
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader, waiting(reader, 0) as found:
            writer.append(numbered(1))
        assert found == [True]

    def test_wait_is_woken_by_the_first_message_there_ever_was(self, store: Store) -> None:
        with store.read(ADDRESS) as reader, waiting(reader, 0) as found:
            write(store, numbered(1))
        assert found == [True]

    def test_wait_is_ended_by_closing_the_reader(self, store: Store) -> None:
        reader = store.read(ADDRESS)
        with waiting(reader, 0) as found:
            reader.close()
        assert [type(one) for one in found] == [StateError]
        reader.close()

    def test_the_descriptor_is_readable_when_there_is_more(self, store: Store) -> None:
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            descriptor = reader.fileno()
            assert not reader.wait(0, 0)
            assert not is_readable(descriptor, 0), "nothing has changed"
            for number in range(1, 4):
                writer.append(numbered(number))
                assert is_readable(descriptor, PATIENCE_S), "a message is not told"
                assert reader.wait(number - 1, 0)
                assert not is_readable(descriptor, 0), "it is not quiet after wait"
            assert reader.fileno() == descriptor

    def test_a_descriptor_asked_for_late_misses_nothing(self, store: Store) -> None:
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            assert list(reader.blocks()) == []
            writer.append(numbered(1))
            assert is_readable(reader.fileno(), PATIENCE_S)

    def test_readers_follow_while_one_writes(self, store: Store) -> None:
        n = 200
        followed: list[list[int]] = [[], [], []]
        with store.write(ADDRESS) as writer:
            threads = [threading.Thread(target=follow, args=(store, n, found)) for found in followed]
            for thread in threads:
                thread.start()
            for at in range(n // 4):
                # Two and two exchanged: the order is that of arrival.
                writer.append(numbered(4 * at + 3, 4 * at + 4))
                writer.append(numbered(4 * at + 1, 4 * at + 2))
            for thread in threads:
                thread.join()
        expected = [4 * at + k for at in range(n // 4) for k in (3, 4, 1, 2)]
        assert followed == [expected] * 3

    def test_another_process_reads_what_is_written_here(self, store: Store) -> None:
        with self.process(store) as other, store.write(ADDRESS) as writer:
            other.begin("wait", ADDRESS, position=0)
            writer.append(numbered(3, 4))
            assert other.end() is True
            assert other.do("arrived", ADDRESS) == [3, 4]

    def test_another_process_wakes_a_reader_here(self, store: Store) -> None:
        with self.process(store) as other, store.read(ADDRESS) as reader, waiting(reader, 0) as found:
            assert other.do("append", ADDRESS, ids=[7]) == 1
        assert found == [True]
        assert read(store) == told([message(7)])

    def test_one_process_writes_at_a_time(self, store: Store) -> None:
        with self.process(store) as other:
            assert other.do("append", ADDRESS, ids=[1]) == 1
            with pytest.raises(ConflictError, match=rf"\b{other.pid}\b"):
                store.write(ADDRESS)
            other.do("close", ADDRESS)
            with store.write(ADDRESS) as writer:
                writer.append(numbered(2))
                assert other.do("append", ADDRESS, ids=[3]) == {"error": "ConflictError"}
            assert other.do("append", ADDRESS, ids=[3]) == 3
        assert read(store) == told(map(message, (1, 2, 3)))

    def test_a_killed_writer_loses_nothing_and_hinders_nobody(self, store: Store) -> None:
        with self.process(store) as other:
            other.do("append", ADDRESS, ids=[1, 2])
            other.kill()
        with store.write(ADDRESS) as writer:
            assert (writer.last_id, writer.written) == (2, 2)
            writer.append(numbered(3))
        assert read(store) == told(map(message, (1, 2, 3)))

    def process(self, store: Store) -> StoreProcess:
        """Return another process that has the store open; skip the test where there can be none."""
        opened_by = self.other_process(store)
        if opened_by is None:
            pytest.skip("this store is of one process")
        return StoreProcess(opened_by)


def refuses(store: Store, error: type[Exception], attempt: Callable[[Callable[..., None]], None]) -> None:
    """Check that an attempt to append is refused, that nothing of it is there, and that the writer goes on."""
    with store.write(ADDRESS) as writer:
        with pytest.raises(error, match=r"."):
            attempt(writer.append)
        assert (writer.written, writer.last_id) == (0, 0)
        assert not writer.present(np.arange(5, dtype=np.uint64)).any()
        assert read(store) == []
        writer.append(numbered(1, 2))
    assert read(store) == told([message(1), message(2)])


def follow(store: Store, n: int, found: list[int]) -> None:
    """Read ids as they come, until there are so many."""
    with store.read(ADDRESS) as reader:
        while len(found) < n and reader.wait(len(found), PATIENCE_S):
            for stored in reader.blocks(len(found)):
                if stored.position != len(found):
                    return
                found += [one.id for one in stored.block.messages() if int(one.more[0]) == one.id]


def is_readable(descriptor: int, timeout_s: float) -> bool:
    """Tell whether a descriptor can be read, within a time."""
    return bool(select.select([descriptor], [], [], timeout_s)[0])


def random_array(dtype: Any, shape: tuple[int, ...]) -> Any:
    """Return an array of any bits that are of this dtype, always the same."""
    made = np.zeros(shape, dtype)
    if made.dtype.kind == "U":
        made[...] = "aÄ𝄞"
    elif made.dtype.kind == "b":
        made[...] = np.arange(made.size).reshape(shape) % 2
    elif made.nbytes and made.dtype.names is None:
        flat = made.reshape(-1).view(np.uint8)
        flat[:] = np.random.default_rng(1).integers(0, 256, len(flat))
    else:
        for name in made.dtype.names or ():
            made[name] = random_array(made.dtype[name], shape)
    return made
