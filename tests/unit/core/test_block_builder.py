"""The block builder: where blocks end, their numbers, and that nothing changes on the way."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import NO_METADATA, Block, Kind, Message
from penstock.core.block import unnumbered_block
from penstock.core.block_builder import BIG_BYTES, MAX_BYTES, MAX_MESSAGES, MAX_NS, BlockBuilder


def image(key: int | None, size: int = 8, kind: Kind = Kind.DATA) -> Message:
    return Message(key=key, timestamp_ns=(key or 0) * 10, array=np.full(size, 1, np.uint8), kind=kind)


def lengths(blocks: list[Block]) -> list[int]:
    return [len(block) for block in blocks]


def test_ids_are_dense_over_all_blocks() -> None:
    builder = BlockBuilder("a")
    blocks: list[Block] = []
    for round_ in range(3):
        builder.add_all([image(n) for n in range(4)], round_)
        blocks += builder.close()
    assert np.concatenate([block.ids for block in blocks]).tolist() == list(range(1, 13))
    assert {block.stream for block in blocks} == {"a"}


def test_a_block_closes_at_its_number_of_messages() -> None:
    builder = BlockBuilder("a")
    builder.add_all([Message() for _ in range(MAX_MESSAGES + 5)], 0)
    assert lengths(builder.take()) == [MAX_MESSAGES]
    assert lengths(builder.close()) == [5]
    assert builder.close() == []


def test_a_block_closes_at_its_size() -> None:
    builder = BlockBuilder("a")
    size = MAX_BYTES // 8
    builder.add_all([image(n, size) for n in range(9)], 0)
    assert lengths(builder.close()) == [8, 1]


def test_a_block_closes_when_it_is_old() -> None:
    builder = BlockBuilder("a")
    for now_ns in (0, MAX_NS - 1, MAX_NS, MAX_NS + 1):
        builder.add(image(1), now_ns)
    assert lengths(builder.close()) == [2, 2]


def test_a_big_message_is_a_block_and_is_not_copied() -> None:
    builder = BlockBuilder("a")
    big = image(2, BIG_BYTES)
    builder.add_all([image(1), big, image(3)], 0)
    blocks = builder.close()
    assert lengths(blocks) == [1, 1, 1]
    (column,) = blocks[1].columns
    assert isinstance(column, np.ndarray)
    assert np.shares_memory(column, big.array)
    assert not column.flags.writeable


@pytest.mark.parametrize("other", [image(1, kind=Kind.START), image(1, kind=Kind.END), image(None)])
def test_another_kind_or_a_missing_key_closes_the_block(other: Message) -> None:
    builder = BlockBuilder("a")
    builder.add_all([image(1), other, other, image(2)], 0)
    blocks = builder.close()
    assert lengths(blocks) == [1, 2, 1]
    assert blocks[1].kind is other.kind
    assert (blocks[1].keys is None) == (other.key is None)


ARRAYS = [
    None,
    np.arange(6, dtype=np.uint16).reshape(2, 3),
    np.arange(6, dtype=np.uint16).reshape(2, 3) + 1,
    np.arange(6.0).reshape(3, 2),
    np.arange(6.0).reshape(3, 2).T,
    np.zeros((0, 4), np.int8),
    np.array((1, 2.5), [("a", "u4"), ("b", "f8")])[()],
    np.float64(3.0),
]

messages = st.builds(
    Message,
    key=st.none() | st.integers(0, 2**64 - 1),
    timestamp_ns=st.integers(0, 2**62),
    metadata=st.just({}) | st.just({"a": 1}),
    array=st.sampled_from(ARRAYS),
    kind=st.sampled_from(Kind),
)


@given(st.lists(messages, max_size=30), st.lists(st.integers(0, MAX_NS), max_size=30))
def test_what_goes_in_comes_out(given_messages: list[Message], steps: list[int]) -> None:
    builder = BlockBuilder("a")
    now_ns = 0
    for message, step in zip(given_messages, steps + [0] * 30, strict=False):
        now_ns += step
        builder.add(message, now_ns)
    got = [message for block in builder.close() for message in block.messages()]
    assert [message.id for message in got] == list(range(1, len(given_messages) + 1))
    assert [plain(message) for message in got] == [plain(message) for message in given_messages]


def plain(message: Message) -> tuple[Any, ...]:
    array = None if message.array is None else (message.array.dtype, message.array.shape, message.array.tobytes())
    return (message.key, message.timestamp_ns, dict(message.metadata), message.kind, array)


class _Given:
    """Rows with numbers of their own, to be given as one block or as messages."""

    def __init__(self, first: int, n: int, dtype: str, is_keyed: bool) -> None:
        self.rows = np.arange(first, first + n).astype(dtype)
        self.keys = np.arange(first, first + n, dtype=np.uint64) if is_keyed else None
        self.times = np.arange(first, first + n, dtype=np.int64)
        self.metadata = {"first": first} if first % 2 else NO_METADATA

    @property
    def block(self) -> Block:
        return unnumbered_block(self.rows, self.times, self.keys, self.metadata)


sizes, dtypes = st.sampled_from([1, 2, 17, 200]), st.sampled_from(["u2", "f8"])


@given(st.lists(st.tuples(st.booleans(), sizes, dtypes, st.booleans()), max_size=6), st.integers(0, MAX_NS))
def test_blocks_and_the_messages_in_them_become_the_same(
    given_: list[tuple[bool, int, str, bool]], step_ns: int
) -> None:
    mixed, plain = BlockBuilder("a"), BlockBuilder("a")
    first = 0
    for number, (is_block, n, dtype, is_keyed) in enumerate(given_):
        rows = _Given(first, n, dtype, is_keyed)
        first += n
        messages = list(rows.block.messages())
        for one in [rows.block] if is_block else messages:
            mixed.add_either(one, number * step_ns)
        plain.add_all(messages, number * step_ns)
    assert [written_out(m) for m in all_of(mixed.close())] == [written_out(m) for m in all_of(plain.close())]


def all_of(blocks: list[Block]) -> list[Message]:
    assert all(len(block) <= MAX_MESSAGES and block.nbytes <= MAX_BYTES for block in blocks)
    assert {block.stream for block in blocks} <= {"a"}
    return [message for block in blocks for message in block.messages()]


def written_out(message: Message) -> tuple[Any, ...]:
    array = message.array
    return (message.id, message.key, message.timestamp_ns, dict(message.metadata), array.dtype, array.tobytes())


def test_a_block_alone_is_not_copied() -> None:
    builder = BlockBuilder("a")
    rows = _Given(0, 100, "f8", is_keyed=True)
    builder.add_either(rows.block, 0)
    (block,) = builder.close()
    assert np.shares_memory(np.asarray(block.columns[0]), rows.rows)
    assert not np.asarray(block.columns[0]).flags.writeable


def test_a_block_of_more_than_may_be_is_cut() -> None:
    builder = BlockBuilder("a")
    rows = np.zeros((9, MAX_BYTES // 8), np.uint8)
    builder.add_either(unnumbered_block(rows, np.zeros(9, np.int64)), 0)
    assert lengths(builder.close()) == [8, 1]
    half = unnumbered_block(np.zeros(MAX_MESSAGES // 2 + 1), np.zeros(MAX_MESSAGES // 2 + 1, np.int64))
    for _ in range(3):
        builder.add_either(half, 0)
    assert lengths(builder.close()) == [len(half)] * 3
    builder.add_either(unnumbered_block(np.zeros(MAX_MESSAGES + 1), np.zeros(MAX_MESSAGES + 1, np.int64)), 0)
    assert lengths(builder.close()) == [MAX_MESSAGES, 1]
