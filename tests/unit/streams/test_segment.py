"""The bytes of segments: what is written is found again, behind any damage; the page that describes them is right."""

import re
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.streams.segment import (
    INDEX,
    RECORD,
    RECORD_BYTES,
    SEGMENT,
    BlockHeader,
    FileHeader,
    find_blocks,
    pack,
    read_records,
    unpack,
)
from penstock.streams.store import Encoding
from tests.unit.wire.block_cases import blocks, same_block

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "store.md"
TOKEN = 0x0123456789ABCDEF
numbers = st.integers(0, 2**64 - 1)


def stored(made: Block, at: int = 128, position: int = 0) -> tuple[BlockHeader, bytes]:
    """A block as it lies in a segment, up to where the next may begin."""
    packed = pack(made)
    header = packed.header(token=TOKEN, at=at, position=position, crc=packed.crc(), now_ns=2_000_000_000)
    data = header.encode() + packed.head + b"".join(piece.tobytes() for piece in packed.pieces)
    assert len(data) == packed.nbytes == header.end - at
    return header, data + bytes(-len(data) % 64)


def segment_of(*made: Block) -> tuple[list[BlockHeader], NDArray[np.uint8]]:
    data = FileHeader(token=TOKEN, number=1, created_ns=1_000_000_000).encode(SEGMENT)
    headers: list[BlockHeader] = []
    position = 0
    for each in made:
        header, more = stored(each, len(data), position)
        headers.append(header)
        data += more
        position += len(each)
    return headers, aligned(data)


def aligned(data: bytes) -> NDArray[np.uint8]:
    room = np.zeros(len(data) + 64, np.uint8)
    start = -room.__array_interface__["data"][0] % 64
    room[start : start + len(data)] = np.frombuffer(data, np.uint8)
    return room[start : start + len(data)]


def test_the_page_shows_the_bytes() -> None:
    made = Block(
        stream="any",
        ids=np.array([7], np.uint64),
        timestamps=np.array([1000], np.int64),
        columns=(np.array([[1, 2]], np.uint16),),
    )
    _, segment = segment_of(made)
    shown = np.zeros(len(segment), np.uint8)
    for place, line in re.findall(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} ){15}[0-9a-f]{2})", PAGE.read_text(), re.MULTILINE):
        shown[int(place, 16) : int(place, 16) + 16] = np.frombuffer(bytes.fromhex(line), np.uint8)
    assert shown.tobytes() == segment.tobytes()


@given(st.tuples(*[numbers] * 2), st.integers(-(2**63), 2**63 - 1), st.sampled_from([SEGMENT, INDEX]))
def test_a_file_header_is_read_as_it_was_written(fields: tuple[int, int], created_ns: int, kind: bytes) -> None:
    header = FileHeader(token=fields[0], number=fields[1], created_ns=created_ns)
    data = header.encode(kind)
    assert FileHeader.decode(data, kind) == header
    assert FileHeader.decode(data, INDEX if kind == SEGMENT else SEGMENT) is None
    assert FileHeader.decode(data[:-1], kind) is None


@given(st.binary(min_size=124, max_size=124), st.integers(0, 1023))
def test_a_block_header_is_read_as_it_was_written_or_not_at_all(data: bytes, bit: int) -> None:
    fields = np.frombuffer(data + bytes(4), RECORD)[0].item()
    header = BlockHeader(*fields)
    record = header.encode()
    assert BlockHeader.decode(record) == header == BlockHeader.of(np.frombuffer(record, RECORD)[0])
    damaged = bytearray(record)
    damaged[bit // 8] ^= 1 << bit % 8
    assert BlockHeader.decode(bytes(damaged)) is None


@given(blocks.filter(len), st.lists(st.none() | st.builds(Encoding, st.text(), st.text(), st.just((3, 4))), max_size=3))
def test_a_block_is_read_as_views_of_the_segment(made: Block, encodings: list[Encoding | None]) -> None:
    packed = pack(made, encodings)
    header = packed.header(token=1, at=0, position=5, crc=packed.crc(), now_ns=0)
    segment = aligned(header.encode() + packed.head + b"".join(piece.tobytes() for piece in packed.pieces))
    found = unpack(segment, header, "detector")
    assert same_block(found.block, made)
    assert found.encodings == tuple(encodings)
    assert found.position == 5
    assert np.shares_memory(found.block.ids, segment)
    assert not found.block.ids.flags.writeable


@given(st.lists(blocks.filter(len), max_size=4))
def test_blocks_are_found_without_an_index(made: list[Block]) -> None:
    headers, segment = segment_of(*made)
    assert list(find_blocks(segment, TOKEN, RECORD_BYTES, 0)) == headers
    assert list(find_blocks(segment, 0, RECORD_BYTES, 0)) == headers
    assert list(find_blocks(segment, TOKEN + 1, RECORD_BYTES, 0)) == []
    if headers:
        first = headers[0]
        assert list(find_blocks(segment, TOKEN, first.end, first.rows)) == headers[1:]


@given(st.lists(blocks.filter(len), min_size=1, max_size=3), st.data())
def test_a_cut_costs_only_what_is_behind_it(made: list[Block], data: st.DataObject) -> None:
    headers, segment = segment_of(*made)
    cut = data.draw(st.integers(0, len(segment)))
    whole = [header for header in headers if header.end <= cut]
    assert list(find_blocks(segment[:cut], TOKEN, RECORD_BYTES, 0)) == whole


@given(st.lists(numbers, min_size=1, max_size=6), st.data())
def test_records_are_read_up_to_the_first_that_is_damaged(ids: list[int], data: st.DataObject) -> None:
    headers = [stored(one(message_id))[0] for message_id in ids]
    index = b"".join(header.encode() for header in headers)
    assert [BlockHeader.of(record) for record in read_records(index, TOKEN)] == headers
    bad = data.draw(st.integers(0, len(index) - 1))
    damaged = bytearray(index)
    damaged[bad] ^= 0x10
    good = headers[: bad // RECORD_BYTES]
    rest = headers[bad // RECORD_BYTES + 1 :]
    assert [BlockHeader.of(record) for record in read_records(bytes(damaged), TOKEN)] == good
    past = read_records(bytes(damaged), TOKEN, past_damage=True)
    assert [BlockHeader.of(record) for record in past] == [*good, *rest]
    cut = data.draw(st.integers(0, len(index)))
    assert len(read_records(index[:cut], TOKEN)) == cut // RECORD_BYTES


def one(message_id: int) -> Block:
    return Block(stream="any", ids=np.array([message_id], np.uint64), timestamps=np.zeros(1, np.int64))
