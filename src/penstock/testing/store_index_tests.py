"""What stores of the level ``INDEXED`` must do with one stream: find by id and by time, and say how it stands."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from penstock.core.block import Block
from penstock.core.message import Message
from penstock.errors import ConflictError, StateError
from penstock.streams.store import Encoding, Level, Store, StreamReader, StreamState, StreamWriter
from penstock.testing.store_cases import ADDRESS, arrived, message, needs, numbered, read, told, waiting, write
from penstock.testing.store_log_tests import StoreLogTests
from penstock.testing.store_model import check_against_model

__all__ = ["StoreIndexTests"]

WOVEN = [(2, 5, 30), (40, 41), (1, 7, 35), (6,), (31, 32, 33), (3, 34), (2**63, 2**64 - 1), (42,)]
"""Ids of blocks, in their order of arrival, that lie between each other's."""


class StoreIndexTests(StoreLogTests):
    """Ids, times, states."""

    @needs(Level.INDEXED)
    def test_a_message_is_found_by_its_id(self, store: Store) -> None:
        write(store, *(numbered(*ids) for ids in WOVEN))
        there = {number for ids in WOVEN for number in ids}
        with store.read(ADDRESS) as reader:
            for number in {*there, *(n + 1 for n in there), *(n - 1 for n in there), 0} - {2**64}:
                found = reader.message(number)
                assert told([found] if found else []) == told([message(number)] if number in there else []), number
                assert len(list(reader.get(number))) == (number in there)

    @needs(Level.INDEXED)
    def test_messages_are_found_by_a_range_of_ids(self, store: Store) -> None:
        write(store, *(numbered(*ids) for ids in WOVEN))
        there = sorted(number for ids in WOVEN for number in ids)
        ends = sorted({1, 4, 8, 36, 2**64 - 1, *there})
        with store.read(ADDRESS) as reader:
            for first in ends:
                for last in ends[ends.index(first) :]:
                    expected = [message(number) for number in there if first <= number <= last]
                    assert arrived(reader.get(first, last)) == told(expected), f"{first} to {last}"

    @needs(Level.INDEXED)
    def test_what_is_found_tells_its_position(self, store: Store) -> None:
        write(store, *(numbered(*ids) for ids in WOVEN))
        order = [number for ids in WOVEN for number in ids]
        with store.read(ADDRESS) as reader:
            for stored in [*reader.get(1, 2**64 - 1), *reader.get(34), *reader.between(5000, 35_000)]:
                assert order[stored.position] == stored.block.ids[0]

    @needs(Level.INDEXED)
    def test_ids_are_listed(self, store: Store) -> None:
        write(store, *(numbered(*ids) for ids in WOVEN))
        there = sorted(number for ids in WOVEN for number in ids)
        with store.read(ADDRESS) as reader:
            assert reader.ids().dtype == np.uint64
            assert reader.ids().tolist() == there
            for first in (0, 1, 3, 30, 43, 2**64 - 1):
                for limit in (0, 1, 4, 100):
                    expected = [number for number in there if number >= first][:limit]
                    assert reader.ids(first, limit).tolist() == expected, (first, limit)

    @needs(Level.INDEXED)
    def test_encodings_are_there_however_a_message_is_found(self, store: Store) -> None:
        encoding = Encoding("zstd", "<f4", (2, 2))
        block = Block.of("any", [Message(id=n, timestamp_ns=n, array=np.zeros(n, np.uint8)) for n in (2, 4, 6)])
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            writer.append(block, [encoding])
            writer.append(numbered(3, 5))
            for stored in [*reader.get(4), *reader.between(4, 4), *reader.blocks(2)]:
                is_packed = not stored.block.ids[0] % 2
                assert stored.encodings[:1] == ((encoding,) if is_packed else ()), stored.block.ids

    @needs(Level.INDEXED)
    def test_messages_are_found_by_their_time(self, store: Store) -> None:
        times = [[10, 30, 20], [5], [25, 26], [-(2**63), 2**63 - 1, 20]]
        messages = [
            [Message(id=10 * k + n + 1, timestamp_ns=time_ns) for n, time_ns in enumerate(block)]
            for k, block in enumerate(times)
        ]
        write(store, *(Block.of("any", block) for block in messages))
        ends = [-(2**63), 4, 5, 10, 19, 20, 25, 26, 27, 30, 31, 2**63 - 1]
        with store.read(ADDRESS) as reader:
            for first in ends:
                for last in ends[ends.index(first) :]:
                    expected = [one for block in messages for one in block if first <= one.timestamp_ns <= last]
                    assert arrived(reader.between(first, last)) == told(expected), f"{first} to {last}"

    @needs(Level.INDEXED)
    def test_an_unknown_stream_is_open_and_empty(self, store: Store) -> None:
        with store.read(ADDRESS) as reader:
            info = reader.info
            assert (list(reader.get(1)), list(reader.between(0, 2**62)), reader.ids().tolist()) == ([], [], [])
            assert reader.message(1) is None
        assert info == store.info(ADDRESS)
        assert (info.address, info.state, info.created_ns, info.last_ns) == (ADDRESS, StreamState.OPEN, 0, 0)
        assert _counts(store) == (0, 0, 0, 0, 0)
        assert info.nbytes == 0
        assert list(store.streams()) == [], "reading made it"

    @needs(Level.INDEXED)
    def test_a_stream_tells_what_it_has(self, store: Store) -> None:
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            assert _counts(store) == (0, 0, 0, 0, 0)
            made = reader.info
            assert (made.state, made.last_ns) == (StreamState.OPEN, 0)
            assert made.created_ns > 0
            writer.append(numbered(5, 9))
            first = reader.info
            assert _counts(store) == (2, 0, 5, 9, 7)
            assert made.created_ns <= first.created_ns <= first.last_ns
            assert first.nbytes > 0
            writer.append(numbered(2))
            assert _counts(store) == (3, 0, 2, 9, 6)
            writer.append(Block.of("any", [Message(id=10, array=np.zeros(100_000, np.uint8))]))
            assert _counts(store) == (4, 0, 2, 10, 6)
            assert reader.info.nbytes >= first.nbytes + 100_000
            assert reader.info.created_ns == first.created_ns
            assert reader.arrived == (4, 0)
            assert reader.info.last_ns >= first.last_ns

    @needs(Level.INDEXED)
    def test_a_stream_that_nobody_writes_any_more_is_stalled(self, store: Store) -> None:
        with store.read(ADDRESS) as reader:
            for number in (1, 2):
                with store.write(ADDRESS) as writer:
                    assert store.info(ADDRESS).state is StreamState.OPEN
                    writer.append(numbered(number))
                    assert store.info(ADDRESS).state is StreamState.OPEN
                assert store.info(ADDRESS).state is StreamState.STALLED
            assert not reader.wait(2, 0), "stalled is not ended"

    @needs(Level.INDEXED)
    def test_a_finished_stream_says_so_and_what_follows(self, store: Store) -> None:
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            writer.append(numbered(3, 1 << 40))
            writer.finish("run 2")
            for _ in range(2):
                info = reader.info
                assert (info.state, info.next_stream, info.reason) == (StreamState.FINISHED, "run 2", "")
                assert _counts(store) == (2, 0, 3, 1 << 40, (1 << 40) - 2)
                writer.close()
            assert read(store) == told([message(3), message(1 << 40)])

    @needs(Level.INDEXED)
    def test_a_stream_may_end_without_a_message_or_a_next(self, store: Store) -> None:
        with store.write(ADDRESS) as writer:
            writer.finish()
        info = store.info(ADDRESS)
        assert (info.state, info.next_stream, info.count) == (StreamState.FINISHED, "", 0)

    @needs(Level.INDEXED)
    def test_an_aborted_stream_says_why(self, store: Store) -> None:
        with store.write(ADDRESS) as writer:
            writer.append(numbered(1))
            writer.abort("the detector is gone: Ä")
            with pytest.raises(StateError, match="the detector is gone: Ä"):
                writer.append(numbered(2))
        with pytest.raises(StateError, match="the detector is gone: Ä"):
            store.write(ADDRESS)
        info = store.info(ADDRESS)
        assert (info.state, info.reason, info.next_stream) == (StreamState.ABORTED, "the detector is gone: Ä", "")
        assert read(store) == told([message(1)])

    @needs(Level.INDEXED)
    @pytest.mark.parametrize("end", [("finish", "run 2"), ("finish", ""), ("abort", "why")], ids=str)
    def test_a_stream_ends_once(self, store: Store, end: tuple[str, str]) -> None:
        with store.write(ADDRESS) as writer:
            writer.append(numbered(1))
            _end(writer, end)
            _end(writer, end)
            before = store.info(ADDRESS)
            for other in {("finish", "run 2"), ("finish", ""), ("abort", "why"), ("abort", "other")} - {end}:
                with pytest.raises(ConflictError):
                    _end(writer, other)
            with pytest.raises(StateError):
                writer.append(numbered(2))
            assert store.info(ADDRESS) == before
        with pytest.raises(StateError):
            store.write(ADDRESS)
        assert store.info(ADDRESS) == before
        assert read(store) == told([message(1)])

    @needs(Level.INDEXED)
    def test_a_closed_writer_ends_nothing(self, store: Store) -> None:
        with store.write(ADDRESS) as writer:
            pass
        for end in (("finish", ""), ("abort", "why")):
            with pytest.raises(StateError):
                _end(writer, end)
        assert store.info(ADDRESS).state is StreamState.STALLED

    @needs(Level.INDEXED)
    @pytest.mark.parametrize("end", [("finish", "run 2"), ("abort", "why")], ids=str)
    def test_the_end_wakes_who_waits(self, store: Store, end: tuple[str, str]) -> None:
        with store.write(ADDRESS) as writer, store.read(ADDRESS) as reader:
            with waiting(reader, 0) as found:
                _end(writer, end)
            assert found == [True]
            assert reader.wait(0, 0), "once ended, there is nothing to wait for"
            assert reader.wait(10**6)

    @needs(Level.INDEXED)
    def test_a_writer_that_is_killed_leaves_a_stalled_stream(self, store: Store) -> None:
        with self.process(store) as other:
            other.do("append", ADDRESS, ids=[1, 2])
            assert store.info(ADDRESS).state is StreamState.OPEN
            other.kill()
        assert store.info(ADDRESS).state is StreamState.STALLED
        with store.write(ADDRESS) as writer:
            assert store.info(ADDRESS).state is StreamState.OPEN
            writer.finish()
        assert store.info(ADDRESS).state is StreamState.FINISHED

    @needs(Level.INDEXED)
    def test_the_end_is_seen_in_another_process(self, store: Store) -> None:
        with self.process(store) as other, store.read(ADDRESS) as reader:
            other.do("append", ADDRESS, ids=[1])
            with waiting(reader, 1) as found:
                other.do("finish", ADDRESS)
            assert found == [True]
            assert reader.info.state is StreamState.FINISHED

    @needs(Level.INDEXED)
    def test_any_order_of_steps_is_as_in_the_model(self, store: Store) -> None:
        check_against_model(store)

    @needs(Level.INDEXED)
    def test_a_long_stream_is_read_in_any_way(self, store: Store) -> None:
        # Blocks of many sizes, every third one late: enough of them for whatever a store does every so often.
        chance = np.random.default_rng(1)
        edges = np.unique(chance.integers(2, 30_000, 3000)).tolist()
        blocks = [np.arange(a, b, dtype=np.uint64) for a, b in pairwise(edges)]
        late = [block for at, block in enumerate(blocks) if at % 3 == 0]
        order = [block for at, block in enumerate(blocks) if at % 3] + late
        with store.write(ADDRESS, sync="none") as writer:
            for ids in order:
                writer.append(Block(stream="any", ids=ids, timestamps=ids.astype(np.int64), columns=(ids,)))
        with store.read(ADDRESS) as reader:
            assert _ids(reader.blocks()) == np.concatenate(order).tolist()
            assert _ids(reader.get(1, 10**6)) == list(range(edges[0], edges[-1]))
            assert reader.ids().tolist() == list(range(edges[0], edges[-1]))
            assert reader.info.missing == edges[0] - 1
            for first in chance.integers(edges[0], edges[-1], 50).tolist():
                last = min(first + 100, edges[-1] - 1)
                assert _ids(reader.get(first, last)) == list(range(first, last + 1))
                assert sorted(_ids(reader.between(first, last))) == list(range(first, last + 1))
                assert _first_value(reader, first) == first


def _end(writer: StreamWriter, end: tuple[str, str]) -> None:
    getattr(writer, end[0])(end[1])


def _counts(store: Store) -> tuple[int, int, int, int, int]:
    info = store.info(ADDRESS)
    return info.count, info.removed, info.first_id, info.last_id, info.missing


def _ids(blocks: Any) -> list[int]:
    return [number for stored in blocks for number in stored.block.ids.tolist()]


def _first_value(reader: StreamReader, number: int) -> int:
    found = reader.message(number)
    assert found is not None
    return int(found.array)
